"""The streams as a catalog shows them: names, keys, paths and columns."""
