"""Gives each dataset an alias schema, and renews it at the end of each run.

Its name is chosen once, when the dataset is first loaded, and is unique in the installation. Where
names must not reveal their owner, a dataset has no alias until an operator chooses one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import select

from scout_control.datasets import alias_schema
from scout_control.errors import ConflictError, ControlError
from scout_control.rules import alias_names
from scout_control.store import datasets, postgres
from scout_control.store.locks import exclusive
from scout_control.store.models import Dataset
from scout_control.store.models import Installation as Shared

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping

    from psycopg import Connection
    from sqlalchemy.orm import Session

    from scout_control.installation.installation import Installation
    from scout_control.rules.naming import StoredNames

log = logging.getLogger(__name__)

ALIAS_LOCK = "scout aliases"
MOST_NAMED = 10
REASONS = {
    "2BP01": "other objects depend on it, and its columns changed",
    "55P03": "it is in use",
    "42809": "another object has its name",
    "42P07": "another object has its name",
    alias_schema.OUT_OF_TIME: "the other views took too long",
}


def refresh(installation: Installation, dataset: Dataset) -> list[str]:
    """Create or renew the alias schema of a dataset that was loaded.

    A run does not fail because of it.

    Returns:
        What could not be done, as sentences.
    """
    try:
        alias = _placed(installation, dataset)
        if alias is None:
            return []
        names = datasets.names(dataset)
        renewal = alias_schema.renew(installation.server_url_of(dataset), names, alias)
    except ControlError as error:
        return [f"The alias of {dataset.schema_name} was not renewed: {error.cause}"]
    except psycopg.Error as error:
        kind = f"{type(error).__name__}, SQLSTATE {error.sqlstate}"
        return [f"The alias of {dataset.schema_name} was not renewed: {kind}."]
    return problems(alias, renewal.left)


def problems(alias: str, left: Mapping[str, str]) -> list[str]:
    """Return which views are as they were, and why, as sentences; of many, the first ones."""
    sentences = [
        f"{alias}.{name} is as it was: {REASONS.get(state, f'SQLSTATE {state}')}."
        for name, state in sorted(left.items())
    ]
    more = len(sentences) - MOST_NAMED
    return [*sentences[:MOST_NAMED], *([f"So are {more} other views."] if more > 0 else [])]


def choose(installation: Installation, dataset_id: uuid.UUID, name: str | None) -> None:
    """Give a dataset another alias; rename its schema if there is one.

    Args:
        installation: The installation.
        dataset_id: The dataset.
        name: The alias, whose form is valid; None for the one that it has by default.

    Raises:
        ConflictError: Another dataset, or a schema that someone else created, has this name.
        ServerError: The server does not answer, or reported an error.
    """
    with exclusive(installation.store, ALIAS_LOCK):
        with installation.store.begin() as session:
            dataset = session.get_one(Dataset, dataset_id)
            free = _free(session, dataset, [name] if name else _default_names(session, dataset))
        if not free:
            raise _taken(name, "another dataset has it")
        try:
            chosen = _renamed(installation, dataset, free)
        except psycopg.Error as error:
            raise postgres.statement_error(
                "Postgres could not rename the alias", error, "Check the server's log, then retry."
            ) from None
        if chosen is None:
            raise _taken(name, "someone else created a schema of this name")
        _save(installation, dataset, chosen)


def _renamed(installation: Installation, dataset: Dataset, names: list[str]) -> str | None:
    """Rename the alias schema, if there is one, to the first free name; return that name."""
    own = datasets.names(dataset)
    with _connected(installation, dataset) as connection:
        found = alias_schema.find(connection, own)
        for name in names:
            if not found or name in found or alias_schema.rename(connection, found[0], name):
                alias_schema.set_search_path(connection, own, name)
                return name
    return None


def _placed(installation: Installation, dataset: Dataset) -> str | None:
    """Return the name of the alias schema of a dataset, created if missing; None without one."""
    with exclusive(installation.store, ALIAS_LOCK):
        with installation.store.begin() as session:
            current = session.get_one(Dataset, dataset.id)
            names = [current.alias] if current.alias else []
            names += _free(session, current, _default_names(session, current))
        if not names:
            return None
        own = datasets.names(dataset)
        with _connected(installation, dataset) as connection:
            alias = _at_server(connection, own, names)
            if alias is not None:
                alias_schema.set_search_path(connection, own, alias)
        if current.alias and alias != current.alias:
            log.warning(
                "alias_changed schema=%s from=%s to=%s: someone else created a schema of that name",
                *(own.schema, current.alias, alias),
            )
        _save(installation, current, alias)
        return alias


def _at_server(connection: Connection[Any], own: StoredNames, names: list[str]) -> str | None:
    """Return the alias schema at the server: the present one, else a new one.

    After a crash between server and store, the present one may have another name.
    """
    for present in alias_schema.find(connection, own):
        is_other = present != names[0]
        return (
            names[0] if is_other and alias_schema.rename(connection, present, names[0]) else present
        )
    return next((name for name in names if alias_schema.create(connection, own, name)), None)


def _default_names(session: Session, dataset: Dataset) -> Iterable[str]:
    if session.scalar(select(Shared.has_opaque_names)):
        return ()
    link = dataset.project_source
    parts = [link.project_id, link.source.name, *([dataset.user_id] if dataset.user_id else [])]
    return alias_names.candidates(parts)


def _free(session: Session, dataset: Dataset, names: Iterable[str]) -> list[str]:
    """Return the names that no other dataset has."""
    others = select(Dataset.alias).where(Dataset.alias.is_not(None), Dataset.id != dataset.id)
    taken = set(session.scalars(others))
    return [name for name in names if name not in taken]


def _save(installation: Installation, dataset: Dataset, alias: str | None) -> None:
    with installation.store.begin() as session:
        row = datasets.lock(session, dataset.id)
        if row is not None and row.alias != alias:
            row.alias = alias


def _connected(installation: Installation, dataset: Dataset) -> Connection[Any]:
    return postgres.connect(installation.server_url_of(dataset), autocommit=True)


def _taken(name: str | None, why: str) -> ConflictError:
    if name is None:
        cause = "This installation gives names that do not reveal their owner: there is no default."
        return ConflictError(cause, "Choose a name: --alias NAME")
    return ConflictError(f"The alias {name} is not free: {why}.", "Choose another name.")
