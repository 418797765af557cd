"""Lines of logs: searched, followed as they come, sorted into patterns, and counted."""
