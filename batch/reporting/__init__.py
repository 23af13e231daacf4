"""The report: gather figures from the tables, draw them, set them into a page."""
