"""What the pages of logs are made of, as values and pure functions."""
