"""What the benchmarks share: a private Andon, pushes, the record, statistics, and how figures are told."""
