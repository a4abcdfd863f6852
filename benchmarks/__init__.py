"""Measurements and endurance runs; see README.md."""
