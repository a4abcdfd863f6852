"""Serves secrets and state to the processes of one run over a Unix socket."""
