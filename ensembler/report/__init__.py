"""Results as tables, for a terminal, for Markdown and for spreadsheets."""
