"""Prediction sets: in memory, on disk, and what is suspicious about them."""
