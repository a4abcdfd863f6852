"""The streams: names, keys, paths and columns."""
