"""What others may know of telemetry: what is measured, how it is handed over, and how it is asked for."""
