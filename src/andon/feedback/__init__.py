"""The Second Way: what production says of itself, kept, asked, drawn, and brought back to whoever caused it."""
