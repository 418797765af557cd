"""What is said of services and machines, as values and pure functions."""
