"""Logins: how they are kept, connected, renewed and handed to a run. Knows no schedule."""
