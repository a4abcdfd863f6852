"""Benchmarks and soak tests; see README.md."""
