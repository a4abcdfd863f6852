"""How fast target-scout-postgres loads, beside its peers, in one run on one server."""
