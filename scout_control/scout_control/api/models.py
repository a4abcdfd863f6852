"""Describes the tables of a dataset, and generates and documents its dbt models."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import psycopg2
from scout_dbt import api as dbt_api

from scout_control.datasets import query, schemas, use
from scout_control.datasets.query_role import time_limit
from scout_control.datasets.schema_contents import LONGEST_READING_SECONDS, SchemaContents
from scout_control.errors import (
    ConflictError,
    NotFoundError,
    RunFailedError,
    ServerError,
    SettingsError,
)
from scout_control.rules import session_settings
from scout_control.rules.environment import ALIAS, COMMON_VARIABLES, PROJECT
from scout_control.rules.suggestions import did_you_mean
from scout_control.rules.terminal import escaped
from scout_control.runs.prepare import LOADER
from scout_control.store import lookups
from scout_control.store.locks import Locks, dataset_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scout_control.datasets.provision import ProvisionedSchema
    from scout_control.installation.installation import Installation
    from scout_control.store.models import Dataset

log = logging.getLogger(__name__)

LONGEST_DOCUMENTING_SECONDS = 600.0
GRACE_SECONDS = 10.0
# Of a file that was left out, and the models of tables that the dataset does not have.
REASON = re.compile(r"^(?:Reason of (?=model )|(?=Skipped \d))(.+)$", re.MULTILINE)
PAGE = "static_index.html"


@dataclass(frozen=True)
class Models:
    """The tables and models of datasets, for people who read them."""

    _installation: Installation

    def describe(self, name: str, *, table: str | None = None) -> dict[str, Any]:
        """Return the tables of a dataset with their columns, from its data dictionary.

        Args:
            name: The dataset.
            table: Return only this table.

        Raises:
            NotFoundError: There is no such dataset or table, or it was never loaded.
        """
        dataset = self._dataset(name, "described")
        path, schema = lookups.path(dataset), dataset.schema_name
        try:
            rows = self._catalog(dataset)
        except SettingsError:
            rows = []
        if rows is None:
            raise ConflictError(
                f"The catalog of {path} is not as it is made, or cannot be read.",
                f"Drop {schema}.{dbt_api.DICTIONARY}, then: scout run {quote(path)}",
            )
        if not rows:
            raise NotFoundError(f"{path} has no catalog yet.", f"Load it: scout run {quote(path)}")
        tables = dbt_api.dictionary_tables(rows)
        if table is not None:
            tables = [_table(path, tables, table)]
        return {"dataset": path, "schema": schema, "alias": dataset.alias, "tables": tables}

    def list(self, name: str) -> Sequence[dict[str, Any]]:
        """Return the tables of a dataset, with the number of their columns."""
        tables = self.describe(name)["tables"]
        return [{**each, "columns": len(each["columns"])} for each in tables]

    def show(self, name: str, table: str) -> dict[str, Any]:
        """Return one table of a dataset with its columns.

        Raises:
            NotFoundError: There is no such table.
        """
        return dict(self.describe(name, table=table)["tables"][0])

    def _catalog(self, dataset: Dataset) -> Sequence[tuple[Any, ...]] | None:
        with (
            closing(query.connect_as_inspector(self._installation, dataset)) as reader,
            time_limit(reader, self._installation.server_url_of(dataset), LONGEST_READING_SECONDS),
        ):
            contents = SchemaContents(reader, dataset.schema_name)
            return contents.rows(
                dbt_api.DICTIONARY, dbt_api.DICTIONARY_QUERY, dbt_api.DICTIONARY_COLUMNS
            )

    def generate(self, name: str, folder: Path) -> Sequence[str]:
        """Write the generated models of a dataset as a dbt package; return their names.

        Raises:
            ConflictError: A run of the dataset is in progress, or it holds no data.
        """
        with self._held(name, "models generated") as (dataset, place):
            url = place.url(self._installation.server_url_of(dataset))
            options = session_settings.options(session_settings.WRITER)
            with _errors_of(place.schema):
                return dbt_api.write_package(
                    url, place.schema, self._source_type(dataset), folder, options
                )

    def document(self, name: str, page: Path) -> Path:
        """Write the documentation of a dataset as one static page.

        Raises:
            ConflictError: A run of the dataset is in progress, or it holds no data.
            RunFailedError: dbt could not write it.
        """
        with self._held(name, "documented") as (dataset, place):
            target = self._installation.dbt_folder(place.schema)
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            code, output = self._write_docs(dataset, place, target)
        if code or not (target / PAGE).is_file():
            raise RunFailedError(
                "dbt could not write the documentation.", f"Look into {target}/dbt.log."
            )
        for reason in REASON.finditer(output):
            log.warning("left_out_of_docs %s", escaped(reason[1]))
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target / PAGE, page)
        return page

    def _write_docs(
        self, dataset: Dataset, place: ProvisionedSchema, target: Path
    ) -> tuple[int, str]:
        """Let dbt write the documentation; return its exit code and output.

        Raises:
            RunFailedError: It takes too long. Models are written by people who may let the
                database work forever, and the dataset is locked meanwhile.
        """
        command = [
            *(*_program(), "docs", "generate", "--static"),
            *("--vars", f"source_type: {self._source_type(dataset)}"),
        ]
        with subprocess.Popen(  # noqa: S603 - a fixed program
            command,
            env=self._environment(dataset, place, target),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=LONGEST_DOCUMENTING_SECONDS)
            except subprocess.TimeoutExpired:
                self._end(process, dataset)
                raise RunFailedError(
                    "dbt did not finish the documentation within "
                    f"{LONGEST_DOCUMENTING_SECONDS / 60:.0f} minutes.",
                    f"Look in {target}/dbt.log for the model that takes so long, and correct it.",
                ) from None
            except BaseException:
                self._end(process, dataset)
                raise
        return process.returncode, output

    def _end(self, process: subprocess.Popen[str], dataset: Dataset) -> None:
        """End dbt, which cancels its queries; if it does not, ending its login does."""
        process.terminate()
        try:
            process.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            schemas.disable_writer(self._installation, dataset)

    def _dataset(self, name: str, action: str) -> Dataset:
        """Return a dataset, after recording its use in the audit trail."""
        with self._installation.store.begin() as session:
            dataset = lookups.dataset(session, name)
            use.record(session, action, dataset)
            lookups.path(dataset)
            return dataset

    @contextmanager
    def _held(self, name: str, action: str) -> Iterator[tuple[Dataset, ProvisionedSchema]]:
        """Hold the lock of a dataset that has data, with its writer's login enabled."""
        dataset = self._dataset(name, action)
        use.require_data(dataset)
        with closing(Locks(self._installation.store)) as locks:
            if not locks.acquire(dataset_lock(dataset.id)):
                raise ConflictError(
                    f"A run of {lookups.path(dataset)} is in progress.", "Try again after it."
                )
            with schemas.provisioned_schema(self._installation, dataset, locks) as place:
                yield dataset, place

    def _source_type(self, dataset: Dataset) -> str:
        """Return the source type by the name that the models use."""
        source = dataset.project_source.source
        source_type = self._installation.plugins.source_type(source.source_type)
        is_connect = any(block.endswith("-connect") for block in source_type.blocks)
        return "connect" if is_connect else "commcare"

    def _environment(
        self, dataset: Dataset, place: ProvisionedSchema, target: Path
    ) -> dict[str, str]:
        project = str(self._installation.plugins.models_folder)
        inherited = {name: os.environ[name] for name in COMMON_VARIABLES if name in os.environ}
        return {
            **inherited,
            "PATH": os.defpath,
            "DBT_PROJECT_DIR": project,
            "DBT_PROFILES_DIR": project,
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            f"{LOADER}DATABASE_URL": place.url(self._installation.server_url_of(dataset)),
            f"{LOADER}DEFAULT_TARGET_SCHEMA": place.schema,
            PROJECT: dataset.project_source.project_id,
            ALIAS: dataset.alias or "",
        }


@contextmanager
def _errors_of(schema: str) -> Iterator[None]:
    """Translate the errors of scout_dbt to errors of control."""
    try:
        yield
    except psycopg2.Error as error:
        raise ServerError.of_postgres(error, error.pgcode) from None
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ConflictError(
            f"The record of built models in {schema} was changed by another program "
            f"({type(error).__name__}).",
            f"Drop the dataset, then load it again: scout datasets drop {quote(schema)}",
        ) from None


def _table(path: str, tables: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    for each in tables:
        if each["table"] == name:
            return each
    suggestion = did_you_mean([name], [each["table"] for each in tables])
    raise NotFoundError(
        f"{path} has no table {name}.",
        f"{suggestion} Look which it has: scout describe {quote(path)}".lstrip(),
    )


def _program() -> list[str]:
    return [str(Path(sys.executable).with_name("scout-dbt"))]
