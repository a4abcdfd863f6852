"""Joins the edges: sets up an installation, executes runs, keeps the schedule, ends things."""
