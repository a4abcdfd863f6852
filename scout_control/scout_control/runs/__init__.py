"""Executes runs: prepares them, follows them, records how they ended, recovers lost ones."""
