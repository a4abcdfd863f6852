"""Removes everything that belongs to an owner, and searches for remains."""
