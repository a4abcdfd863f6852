"""Runs dbt in this process, restricts what models can reach, and explains what failed."""
