"""Removes everything that belongs to one owner, and looks for what is left."""
