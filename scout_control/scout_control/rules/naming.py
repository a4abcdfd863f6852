"""Names of dataset schemas and of their roles: minted here and nowhere else.

``data_{owner}_{source_type}_{digest}``: the first two are for people, the digest of everything that
tells two datasets apart is for the database. So a name can be read, is never cut by Postgres, and
two datasets never share one however odd or long the ids are that callers bring along. Where names
must not tell whose data it is, they are random: ``data_{16 hex}``. A name is kept with its dataset.
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

LONGEST_SCHEMA_NAME = 55  # of Postgres' 63 bytes, so that suffixes of roles fit
LONGEST_READABLE_PART = 18
DIGEST_CHARACTERS = 8
NOT_PLAIN = re.compile(r"[^a-z0-9]+")
READER_SUFFIX = "_ro"
WRITER_SUFFIX = "_rw"
QUERY_SUFFIX = "_query"


class OwnerKind(StrEnum):
    """Who a dataset can belong to."""

    PROJECT = "project"
    USER = "user"


class Names(Protocol):
    """What a dataset is called in the database."""

    @property
    def schema(self) -> str:
        """Return the name of the dataset schema."""

    @property
    def owner(self) -> str:
        """Return the text of its comment."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The names that a dataset was given, whatever would be given to it today."""

    schema: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
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
        """Return the name of the dataset schema: at most 55 bytes of plain ASCII."""
        readable = [plain(part) for part in (self.owner_id, self.source_type)]
        return "_".join(["data", *filter(None, readable), digest(*self._identity)])

    @property
    def owner(self) -> str:
        """Return the text of the schema's comment: whose data it is, to those who know already."""
        return owner_digest(json.dumps(self._identity, ensure_ascii=True))

    @property
    def _identity(self) -> tuple[str, str, str, str]:
        return (str(self.owner_kind), self.owner_id, self.project_id, self.source_id)


def opaque_schema() -> str:
    """Return a new name of a dataset schema that tells nothing."""
    return f"data_{secrets.token_hex(8)}"


def owner_digest(identity: str) -> str:
    """Return what a comment says instead of ids: all roles of a database can read comments."""
    return f"scout {hashlib.sha256(identity.encode()).hexdigest()}"


def is_owner(comment: str | None, owner: str) -> bool:
    """Return whether a schema's comment names this owner, also as older versions wrote it."""
    return comment is not None and owner in {comment, owner_digest(comment)}


def reader_role(schema: str) -> str:
    """Return the role that may read a dataset schema and nothing else."""
    return schema + READER_SUFFIX


def writer_role(schema: str) -> str:
    """Return the role that loads and transforms a dataset schema and reaches no other."""
    return schema + WRITER_SUFFIX


def query_role(schema: str) -> str:
    """Return the role that ``scout query`` logs in as: a reader that can be nothing else."""
    return schema + QUERY_SUFFIX


def plain(text: str) -> str:
    """Return what is readable of a text in lower-case ASCII letters, digits and underscores."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return NOT_PLAIN.sub("_", ascii_text.lower()).strip("_")[:LONGEST_READABLE_PART].strip("_")


def digest(*parts: str) -> str:
    """Return eight hex digits of all parts; how they are split counts, too."""
    exact = json.dumps(parts, ensure_ascii=True)  # quoting keeps ("a", "bc") and ("ab", "c") apart
    return hashlib.sha256(exact.encode()).hexdigest()[:DIGEST_CHARACTERS]
