"""What is suspicious, different or diverse about a prediction set."""
