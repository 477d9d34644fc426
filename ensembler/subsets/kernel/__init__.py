"""Counting the correct rows of many committees, compiled."""
