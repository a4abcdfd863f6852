"""Benchmarks of scout_control."""
