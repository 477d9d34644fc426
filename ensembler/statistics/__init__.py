"""What is noise and what is not."""
