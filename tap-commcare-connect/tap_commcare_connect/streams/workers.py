"""Workers and their learning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from tap_common import columns as c
from tap_common.messages import AnyRecord
from tap_common.raw_converters import RawRow, canonical_timestamp
from typing_extensions import override

from tap_commcare_connect import record_keys
from tap_commcare_connect.record_keys import DuplicateCounter
from tap_commcare_connect.streams.base import ConnectStream


class UsersStream(ConnectStream):
    """Workers of an opportunity; a person has the same username in each opportunity.

    The username is part of the key, so a missing one is replaced by one that begins with
    ``missing-``.
    """

    name = "users"
    path = "user_data"
    key = ("opportunity_id", "username")
    columns = {
        "username": c.text("Username; usually meaningless digits."),
        "name": c.text("Name of the person."),
        "phone": c.text("Telephone number."),
        "date_learn_started": c.timestamp("When the worker started learning."),
        "user_invite_status": c.text("Status of the invitation."),
        "payment_accrued": c.integer("What was earned."),
        "suspended": c.boolean("Whether the worker is suspended."),
        "suspension_date": c.timestamp("When the worker was suspended."),
        "suspension_reason": c.text("Why the worker was suspended."),
        "invited_date": c.timestamp("When the worker was invited."),
        "completed_learn_date": c.timestamp("When the worker completed learning."),
        "last_active": c.timestamp("When the worker was last active."),
        "date_claimed": c.date("When the opportunity was claimed."),
        "claim_limits": c.json_array("Maximum number of visits by payment unit, once claimed."),
    }

    @override
    def records(
        self,
        rows: Iterable[RawRow | msgspec.Struct],
        opportunity: int | None = None,
        duplicates: DuplicateCounter | None = None,
    ) -> Iterator[AnyRecord]:
        for record in super().records(rows, opportunity, duplicates):
            if isinstance(record, dict) and record["username"] is None and opportunity is not None:
                parts = [canonical_timestamp(record["invited_date"])]
                digest = record_keys.identity(self.name, opportunity, parts)
                key = record_keys.record_key(digest, duplicates.count(digest) if duplicates else 0)
                record["username"] = f"missing-{key[:16]}"
            yield record


class AssessmentsStream(ConnectStream):
    """Assessments of learning."""

    name = "assessments"
    path = "assessment"
    identity = ("username", "app", "date")
    columns = {
        "username": c.text("The worker; null if the worker is unknown."),
        "app": c.integer("The app."),
        "date": c.timestamp("When it was taken."),
        "score": c.integer("Points."),
        "passing_score": c.integer("Points required to pass."),
        "passed": c.boolean("Whether it was passed."),
    }


class CompletedModulesStream(ConnectStream):
    """Completed modules; a module can be completed more than once."""

    name = "completed_modules"
    path = "completed_module"
    identity = ("username", "module", "date")
    columns = {
        "username": c.text("The worker."),
        "module": c.integer("The module."),
        "date": c.timestamp("When it was completed."),
        "duration": c.text("How long it took: [D ]HH:MM:SS[.ffffff]."),
    }
