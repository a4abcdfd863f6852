"""What control remembers: schema ``scout_control`` of one Postgres. Knows no source and no run."""
