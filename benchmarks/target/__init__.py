"""Load speed of target-scout-postgres and its peers on one server."""
