"""Counting the right rows of many committees, compiled."""
