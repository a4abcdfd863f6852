"""Names of dataset schemas and of their roles; generated only here.

``data_{owner}_{source_type}_{digest}``: owner and source type are for people, the digest of the
whole identity keeps two datasets apart. So names are readable, Postgres never truncates them, and
no two datasets share one, however long or unusual the ids of the caller are. Where names must not
reveal the owner they are random: ``data_{16 hex}``. The name is stored with its dataset.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

MAX_SLUG_LENGTH = 18
DIGEST_LENGTH = 8
NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
READER_SUFFIX = "_ro"
WRITER_SUFFIX = "_rw"
QUERY_SUFFIX = "_query"
LOGIN_SUFFIX = "_login"
PERSON_PREFIX = "scout_reader_"


class OwnerKind(StrEnum):
    """The kinds of owners of a dataset."""

    PROJECT = "project"
    USER = "user"


class SchemaNames(Protocol):
    """The schema name of a dataset, and the owner that its comment names."""

    @property
    def schema(self) -> str:
        """The name of the dataset schema."""

    @property
    def owner(self) -> str:
        """The comment of the schema."""


@dataclass(frozen=True, kw_only=True)
class StoredNames:
    """The names that a dataset was created with; rules for new names may have changed since."""

    schema: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class DatasetIdentity:
    """One source materialised for one owner; ids are the caller's own texts.

    A user's dataset names its project too, so that one source linked to two projects stays apart.
    """

    owner_kind: OwnerKind
    owner_id: str
    project_id: str
    source_id: str
    source_type: str

    @property
    def schema(self) -> str:
        """The name of the dataset schema: at most 55 bytes of ASCII.

        Postgres allows 63; the rest is for the suffixes of roles.
        """
        readable = [slug(part) for part in (self.owner_id, self.source_type)]
        return "_".join(["data", *filter(None, readable), digest(*self._identity)])

    @property
    def owner(self) -> str:
        """The comment of the schema: identifies the owner only to those who know it already."""
        return owner_digest(json.dumps(self._identity, ensure_ascii=True))

    @property
    def _identity(self) -> tuple[str, str, str, str]:
        return (str(self.owner_kind), self.owner_id, self.project_id, self.source_id)


def opaque_schema() -> str:
    """Return a new, random name for a dataset schema."""
    return f"data_{secrets.token_hex(8)}"


def owner_digest(identity: str) -> str:
    """Return the digest that comments hold instead of ids, since every role can read comments."""
    return f"scout {hashlib.sha256(identity.encode()).hexdigest()}"


def is_owner(comment: str | None, owner: str) -> bool:
    """Return whether a schema's comment names this owner, in the current or the older format."""
    return comment is not None and owner in {comment, owner_digest(comment)}


def reader_role(schema: str) -> str:
    """Return the role that may only read this dataset schema."""
    return schema + READER_SUFFIX


def writer_role(schema: str) -> str:
    """Return the role that loads and transforms this dataset schema and has no access elsewhere."""
    return schema + WRITER_SUFFIX


def query_role(schema: str) -> str:
    """Return the login role of ``scout query``, a member of the reader role only."""
    return schema + QUERY_SUFFIX


def login_role(schema: str) -> str:
    """Return the login role of people's tools, a member of the reader role only."""
    return schema + LOGIN_SUFFIX


def person_role() -> str:
    """Return a new, random name for the role with which one person reads one dataset.

    Roles belong to the whole server, which other installations may use, too. Every role can see
    the names of all others, so this one reveals neither the person nor the dataset.
    """
    return f"{PERSON_PREFIX}{secrets.token_hex(12)}"


def roles_of(schema: str) -> list[str]:
    """Return the names of all roles that a dataset schema can have, except those of people."""
    roles = (login_role, query_role, writer_role, reader_role)
    return [role_of(schema) for role_of in roles]


def slug(text: str) -> str:
    """Return a text reduced to lower-case ASCII letters, digits and underscores."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return NOT_IN_SLUG.sub("_", ascii_text.lower()).strip("_")[:MAX_SLUG_LENGTH].strip("_")


def digest(*parts: str) -> str:
    """Return eight hex digits that depend on all parts and on where they are split."""
    exact = json.dumps(parts, ensure_ascii=True)  # quoting keeps ("a", "bc") and ("ab", "c") apart
    return hashlib.sha256(exact.encode()).hexdigest()[:DIGEST_LENGTH]
