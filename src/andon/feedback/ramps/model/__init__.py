"""The rules of judging ramps, as values and pure functions."""
