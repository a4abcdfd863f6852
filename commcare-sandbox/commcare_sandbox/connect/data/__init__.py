"""What a made-up Connect holds: organizations, opportunities, and the rows of each opportunity."""
