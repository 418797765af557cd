"""Prometheus beside us: the same data, the same questions."""
