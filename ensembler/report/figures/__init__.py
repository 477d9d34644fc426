"""Figures: what they show (kinds, collect), drawn as files (paper) or on a page (interactive)."""
