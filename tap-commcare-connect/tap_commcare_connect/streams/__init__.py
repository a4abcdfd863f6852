"""The streams as a catalog shows them: names, keys, columns. Not how they are read."""
