"""Rules fitted without the scored rows, scored on them, and compared."""
