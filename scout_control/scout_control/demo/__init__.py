"""The demo: an ordinary installation that loads a CommCare sandbox into an embedded Postgres.

It uses the same ``Scout`` as every program, so that all commands work on its data afterwards.
"""
