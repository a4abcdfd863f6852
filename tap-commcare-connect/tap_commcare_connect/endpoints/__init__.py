"""Responses of single endpoints of Connect, and how they are converted to records."""
