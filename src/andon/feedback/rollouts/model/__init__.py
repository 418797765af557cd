"""The rules of rollouts, as values and pure functions."""
