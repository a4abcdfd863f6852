"""Workers, and what they learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from tap_common.messages import AnyRecord
from typing_extensions import override

from tap_commcare_connect import columns as s
from tap_commcare_connect import record_keys
from tap_commcare_connect.record_keys import DuplicateCounter
from tap_commcare_connect.streams.base import ConnectStream
from tap_commcare_connect.values import Row, same_moment


class UsersStream(ConnectStream):
    """Workers of an opportunity; a person is one in each opportunity under the same username.

    A worker without a username gets one that begins with ``missing-``, since it is part of the key.
    """

    name = "users"
    path = "user_data"
    key = ("opportunity_id", "username")
    fields = {  # noqa: RUF012 - never changed
        "username": s.text("Name of the user; usually digits that mean nothing."),
        "name": s.text("Name of the person."),
        "phone": s.text("Telephone number."),
        "date_learn_started": s.moment("When learning began."),
        "user_invite_status": s.text("What became of the invitation."),
        "payment_accrued": s.integer("What was earned."),
        "suspended": s.flag("Whether the worker is suspended."),
        "suspension_date": s.moment("When the worker was suspended."),
        "suspension_reason": s.text("Why the worker was suspended."),
        "invited_date": s.moment("When the worker was invited."),
        "completed_learn_date": s.moment("When learning was completed."),
        "last_active": s.moment("When the worker was last active."),
        "date_claimed": s.day("When the opportunity was claimed."),
        "claim_limits": s.json_array("Most visits by payment unit, once claimed."),
    }

    @override
    def records(
        self,
        rows: Iterable[Row | msgspec.Struct],
        opportunity: int | None = None,
        duplicates: DuplicateCounter | None = None,
    ) -> Iterator[AnyRecord]:
        for record in super().records(rows, opportunity, duplicates):
            if isinstance(record, dict) and record["username"] is None and opportunity is not None:
                parts = [same_moment(record["invited_date"])]
                digest = record_keys.identity(self.name, opportunity, parts)
                key = record_keys.record_key(digest, duplicates.count(digest) if duplicates else 0)
                record["username"] = f"missing-{key[:16]}"
            yield record


class AssessmentsStream(ConnectStream):
    """Assessments of what was learned."""

    name = "assessments"
    path = "assessment"
    identity = ("username", "app", "date")
    fields = {  # noqa: RUF012 - never changed
        "username": s.text("The worker; null when the link to the worker was lost."),
        "app": s.integer("The app."),
        "date": s.moment("When it was taken."),
        "score": s.integer("Points."),
        "passing_score": s.integer("Points that were needed."),
        "passed": s.flag("Whether it was passed."),
    }


class CompletedModulesStream(ConnectStream):
    """Modules that were completed; the same one may be completed again."""

    name = "completed_modules"
    path = "completed_module"
    identity = ("username", "module", "date")
    fields = {  # noqa: RUF012 - never changed
        "username": s.text("The worker."),
        "module": s.integer("The module."),
        "date": s.moment("When it was completed."),
        "duration": s.text("How long it took: [D ]HH:MM:SS[.ffffff]."),
    }
