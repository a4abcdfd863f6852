"""Everything about Postgres: connection, lock, schema, DDL and SQL."""
