"""What a trace is once it is put together, and how it is found. Pure."""
