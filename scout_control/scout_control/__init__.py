"""Control around ``meltano run``: who, when, with which login, into which dataset schema."""
