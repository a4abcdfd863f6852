"""The dataset schema itself: whose it is, who may read it, and how it comes to be.

Knows no tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_scout_postgres.errors import DatabaseError, SettingsError
from target_scout_postgres.postgres import statements

if TYPE_CHECKING:
    from target_scout_postgres.postgres.session import Session

UNOWNED_COMMENTS = (None, "", "standard public schema")
ATTEMPTS = 3  # runs that create the schema at the same moment


def make(session: Session) -> None:
    """Make sure that the schema is there and may be written, before the lock is taken in it.

    Raises:
        SettingsError: It is not there, and may not be created.
        DatabaseError: It is another owner's, or the role may not write there.
    """
    schema = session.settings.default_target_schema
    facts = session.execute(statements.SCHEMA_FACTS, [schema], doing="reading the catalogue")
    if not facts:
        _create(session, schema)
        facts = session.execute(statements.SCHEMA_FACTS, [schema], doing="reading the catalogue")
    ((comment, may_create, may_use),) = facts
    _check_owner(session, comment)
    if not (may_create and may_use):
        raise DatabaseError(
            f"The role may not write to the schema {schema}. Grant it USAGE and CREATE there, or "
            "make it the schema's owner."
        )


def _create(session: Session, schema: str) -> None:
    if not session.settings.create_schema:
        raise SettingsError(
            f"The schema {schema} is not there, and the setting create_schema forbids to "
            "create it. Create it, or allow that."
        )
    doing = f"creating the schema {schema}"
    session.execute(statements.create_schema(schema), doing=doing)


def claim(session: Session) -> None:
    """Keep the owner in the schema's comment and let the reader read, in the open transaction."""
    settings = session.settings
    schema = settings.default_target_schema
    facts = session.execute(statements.SCHEMA_FACTS, [schema], doing="reading the catalogue")
    comment = facts[0][0]
    _check_owner(session, comment)
    if settings.owner is not None and comment != settings.owner:
        session.execute(
            statements.comment_schema(schema, settings.owner),
            doing=f"keeping the owner in the comment of the schema {schema}",
        )
    if settings.reader_role:
        _let_read(session, settings.reader_role)


def _let_read(session: Session, role: str) -> None:
    schema = session.settings.default_target_schema
    doing = f"letting the role {role} read (setting reader_role)"
    if not session.execute(statements.ROLE, [role], doing=doing):
        raise SettingsError(
            f"The setting reader_role names {role}, a role that the server does not have. Create "
            "it, or correct the setting."
        )
    session.execute(statements.grant_schema(schema, role), doing=doing)
    for (name,) in session.execute(statements.UNREAD, [schema, role], doing=doing):
        place = statements.qualified(schema, name)
        session.execute(statements.grant_table(place, role), doing=doing)


def _check_owner(session: Session, comment: str | None) -> None:
    settings = session.settings
    if settings.owner in (None, comment) or comment in UNOWNED_COMMENTS:
        return
    raise DatabaseError(
        f"The schema {settings.default_target_schema} belongs to another owner than the setting "
        "owner says (its comment names the owner). Nothing was written. Choose another schema."
    )
