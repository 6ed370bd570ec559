"""Spanwise collector: OTLP in, canonical spans, the store and the JSON API."""
