"""Other people's files: what they hold, what it is taken for and why, and the prediction set that it makes."""
