"""Other people's interfaces, one framework a file."""
