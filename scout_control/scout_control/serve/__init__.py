"""The REST interface: translates requests for ``access``; it has no rules."""
