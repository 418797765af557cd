"""Parts Unlimited: a small web shop for car parts. Python's standard library and nothing else."""
