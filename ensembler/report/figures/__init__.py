"""Figures of pages and papers: one file a chart, with its data, its drawing for a page and its drawing for a file."""
