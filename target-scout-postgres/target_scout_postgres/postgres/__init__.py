"""The server side: connection, lock, schema, DDL and SQL."""
