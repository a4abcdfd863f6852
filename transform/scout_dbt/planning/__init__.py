"""Plans tables and their SQL from applications and data. Pure: no database, file or clock."""
