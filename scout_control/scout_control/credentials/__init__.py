"""Credentials: stored encrypted, connected by OAuth, renewed, and handed to runs."""
