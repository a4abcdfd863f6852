"""Access to the dataset schema, apart from the models: what scout-dbt reads and records there."""
