"""Andon: one record of everything that happens to a change, and the platform that acts on it."""

__version__ = "0.1.0"
