"""The dataset schema itself: creating it, checking its owner, granting read access.

Independent of its tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_scout_postgres.errors import DatabaseError, SettingsError
from target_scout_postgres.postgres import statements

if TYPE_CHECKING:
    from target_scout_postgres.postgres.session import Session

UNOWNED_COMMENTS = (None, "", "standard public schema")
READING = "reading the catalog"


def ensure(session: Session) -> None:
    """Create the schema if missing, and check that it may be written, before the lock is taken.

    Raises:
        SettingsError: It does not exist and may not be created.
        DatabaseError: It belongs to another owner, or the role may not write to it.
    """
    schema = session.settings.default_target_schema
    rows = session.execute(statements.SCHEMA_STATUS, [schema], doing=READING)
    if not rows:
        _create(session, schema)
        rows = session.execute(statements.SCHEMA_STATUS, [schema], doing=READING)
    ((comment, may_create, may_use),) = rows
    _check_owner(session, comment)
    if not (may_create and may_use):
        raise DatabaseError(
            f"The role may not write to the schema {schema}. Grant it USAGE and CREATE there, or "
            "make it the schema's owner."
        )


def _create(session: Session, schema: str) -> None:
    if not session.settings.create_schema:
        raise SettingsError(
            f"The schema {schema} does not exist, and the setting create_schema forbids creating "
            "it. Create it, or set create_schema to true."
        )
    session.execute(statements.create_schema(schema), doing=f"creating the schema {schema}")


def claim(session: Session) -> None:
    """Record the owner in the schema's comment and grant read access, in the open transaction."""
    settings = session.settings
    schema = settings.default_target_schema
    ((comment, _, _),) = session.execute(statements.SCHEMA_STATUS, [schema], doing=READING)
    _check_owner(session, comment)
    if settings.owner is not None and comment != settings.owner:
        session.execute(
            statements.comment_schema(schema, settings.owner),
            doing=f"recording the owner in the comment of the schema {schema}",
        )
    if settings.reader_role:
        _grant_reading(session, settings.reader_role)


def _grant_reading(session: Session, role: str) -> None:
    schema = session.settings.default_target_schema
    doing = f"letting the role {role} read (setting reader_role)"
    if not session.execute(statements.ROLE, [role], doing=doing):
        raise SettingsError(
            f"The setting reader_role names {role}, a role that the server does not have. Create "
            "it, or correct the setting."
        )
    session.execute(statements.grant_schema(schema, role), doing=doing)
    for (name,) in session.execute(statements.UNREADABLE_TABLES, [schema, role], doing=doing):
        table = statements.qualified(schema, name)
        session.execute(statements.grant_table(table, role), doing=doing)


def _check_owner(session: Session, comment: str | None) -> None:
    settings = session.settings
    if settings.owner in (None, comment) or comment in UNOWNED_COMMENTS:
        return
    raise DatabaseError(
        f"The schema {settings.default_target_schema} belongs to another owner than the setting "
        "owner says (its comment names the owner). Nothing was written. Choose another schema."
    )
