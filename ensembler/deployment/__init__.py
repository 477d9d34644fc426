"""A fitted ensemble as a file, and its use."""
