"""The shapes of flags as the API, the command line and ``flags.yaml`` have them."""
