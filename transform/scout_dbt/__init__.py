"""Generates the models of a dataset schema and runs dbt on it.

The command is ``scout-dbt`` (``cli``); other programs import ``api``, ``bounded_yaml``,
``libpq`` and ``anonymous_file`` only.
"""
