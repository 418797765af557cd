"""What graphs are made of, as values and pure functions."""
