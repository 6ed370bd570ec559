"""The version of the whole distribution, kept in one place."""

__version__ = "0.1.0"
