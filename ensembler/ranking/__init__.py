"""Which rule is best over many prediction sets: ranks, tests between pairs, and ratings."""
