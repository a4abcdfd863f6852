"""Singer target that loads any stream into one dataset schema of Postgres."""
