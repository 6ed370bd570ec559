"""Spanwise analytics: statistical methods, figures, jobs and alerts over stored spans."""
