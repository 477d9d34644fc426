"""Results as tables for a terminal, Markdown and notebooks, as figures, and as one page."""
