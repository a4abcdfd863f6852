"""From applications and data to tables and their SQL. Pure: no database, no file, no clock."""
