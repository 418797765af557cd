"""The registry: which services there are, what they need, where they run, and what is not known of them."""
