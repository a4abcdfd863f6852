"""The store: tables, queries, migrations, locks, the queue and the audit trail, in Postgres."""
