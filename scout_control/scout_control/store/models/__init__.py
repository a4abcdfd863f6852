"""The tables of schema ``scout_control``, and the constraints that the database enforces.

Owners are the caller's own ids, as text. Secrets are ciphertexts here; only ``credentials`` can
decrypt them. Migrations create the tables; a test compares both.
"""

from __future__ import annotations

from scout_control.store.models.audit import AuditEvent, AuditHead, AuditLink, AuditValue
from scout_control.store.models.base import Base
from scout_control.store.models.datasets import (
    Dataset,
    Run,
    RunLogChunk,
    SourceMetadata,
    Touch,
)
from scout_control.store.models.installation import Installation, Lock, ServiceLogin
from scout_control.store.models.owners import (
    Connection,
    Credential,
    Project,
    ProjectSource,
    Source,
)
from scout_control.store.models.people import Member, Person, Token
from scout_control.store.models.reader_logins import ReaderLogin
from scout_control.store.models.requests import IdempotencyKey, Query
from scout_control.store.models.sessions import Authorization, BrowserSession, SignInLink
from scout_control.store.version import SCHEMA, VERSION

__all__ = [
    "SCHEMA",
    "VERSION",
    "AuditEvent",
    "AuditHead",
    "AuditLink",
    "AuditValue",
    "Authorization",
    "Base",
    "BrowserSession",
    "Connection",
    "Credential",
    "Dataset",
    "IdempotencyKey",
    "Installation",
    "Lock",
    "Member",
    "Person",
    "Project",
    "ProjectSource",
    "Query",
    "ReaderLogin",
    "Run",
    "RunLogChunk",
    "ServiceLogin",
    "SignInLink",
    "Source",
    "SourceMetadata",
    "Token",
    "Touch",
]
