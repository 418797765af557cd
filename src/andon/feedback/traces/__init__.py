"""Traces: one request through all services that it needed."""
