"""Run the command line as ``python -m commcare_sandbox``."""

from commcare_sandbox.cli import main

main()
