"""From files, folders and patterns to a prediction set."""
