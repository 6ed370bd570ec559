"""Spanwise dashboards: the pages, the demo, and the composition of all parts into one server."""
