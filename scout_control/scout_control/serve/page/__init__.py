"""The page: HTML for people in a browser. All data comes through ``access``; it has no rules."""
