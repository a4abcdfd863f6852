"""Generated data of Connect: organizations, opportunities, and the rows of each opportunity."""
