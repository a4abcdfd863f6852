"""``python -m scout_control``: the command ``scout``."""

from __future__ import annotations

from scout_control.cli.main import main

main(prog_name="scout")
