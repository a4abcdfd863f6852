"""The public Python interface: generated models and the data dictionary of a dataset schema.

``scout_control`` uses nothing else of this package but ``libpq`` and ``anonymous_file``.
Connections are opened with psycopg2, the driver of dbt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_dbt import generator
from scout_dbt.dataset import data_dictionary
from scout_dbt.dataset.connection import transaction
from scout_dbt.project import dbt_package

if TYPE_CHECKING:
    from pathlib import Path

DICTIONARY = data_dictionary.TABLE
DICTIONARY_COLUMNS = data_dictionary.COLUMNS
DICTIONARY_QUERY = data_dictionary.QUERY
dictionary_tables = data_dictionary.tables


def write_package(
    conninfo: str, schema: str, source_type: str, folder: Path, options: str = ""
) -> list[str]:
    """Write the generated models of a dataset as a dbt package and return their names.

    Args:
        conninfo: The database, with a role that may write the schema.
        schema: The dataset schema.
        source_type: ``commcare`` or ``connect``.
        folder: Where the package is written, in a folder named like it.
        options: Options of the session, such as ``-c lock_timeout=10s``.

    Raises:
        psycopg2.Error: Postgres refused a statement.
        ValueError, TypeError, LookupError, RecursionError: The schema's record of earlier builds
            was changed by another program.
    """
    with transaction(conninfo, schema, options) as cursor:
        generated = generator.generate(cursor, source_type)
    dbt_package.write(generated.models, folder)
    return [model.table.name for model in generated.models]


def refresh_dictionary(conninfo: str, schema: str, options: str = "") -> None:
    """Describe the tables of a dataset schema in which no models are built.

    Raises:
        psycopg2.Error: Postgres refused a statement.
    """
    with transaction(conninfo, schema, options) as cursor:
        data_dictionary.refresh(cursor, (), ())
