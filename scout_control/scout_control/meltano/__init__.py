"""Runs Meltano: a project per run, isolated processes, and their log."""
