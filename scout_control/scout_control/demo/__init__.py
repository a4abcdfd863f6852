"""The demo: a sandbox of CommCare and an embedded Postgres, loaded by an ordinary installation.

It uses the same ``Scout`` as every program, so that all commands work on its data afterwards.
"""
