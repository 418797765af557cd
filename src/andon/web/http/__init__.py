"""The console and the API on HTTP: who asks, what they may send, and how errors and changes reach them."""
