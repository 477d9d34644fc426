"""Cascades: a few members answer first, and only rows that they are unsure of are passed on to more."""
