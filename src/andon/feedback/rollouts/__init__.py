"""Progressive releases: a new version comes to its customers in stages, is judged at each, and takes itself back."""
