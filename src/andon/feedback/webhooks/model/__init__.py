"""Webhooks as values: what is sent where, how it is signed, and where nothing is sent."""
