"""Behaviour of tap-commcare-connect under every server fault."""
