"""One domain: its cases, forms and users, and the changes made to them.

Independent of URLs and response formats.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.hq.data.cases import Case, Cases
from commcare_sandbox.hq.data.collection import Collection, Query
from commcare_sandbox.hq.data.directory import Directory
from commcare_sandbox.hq.data.form_types import FORM_TYPES, VISIT_FORM
from commcare_sandbox.hq.data.forms import Form, Forms, cleaned, envelope
from commcare_sandbox.hq.data.odd_cases import odd_cases
from commcare_sandbox.hq.data.odd_forms import odd_forms
from commcare_sandbox.hq.data.sequence import RecordSequence
from commcare_sandbox.hq.data.submission import apply_changes, case_blocks
from commcare_sandbox.hq.data.tables import Tables
from commcare_sandbox.pseudorandom import hex_id, mix


class UnknownRecordError(Exception):
    """The record to change does not exist."""


@dataclass
class PendingChange:
    """A change that becomes visible later."""

    at: float
    """Time of time.monotonic() at which it becomes visible."""
    request: int
    """Number of API requests after which it becomes visible, whatever the time."""
    reveal: Callable[[], None]


class Domain:
    """A CommCare domain (project space)."""

    def __init__(self, name: str, seed: int, cases: int, forms: int) -> None:
        self.name, self.seed = name, seed
        self.directory, self.tables = Directory(seed, name), Tables(seed)
        strange_cases = odd_cases(self.directory)[: cases // 8]
        strange_forms = odd_forms(name, self.directory)[: forms // 8]
        case_sequence = RecordSequence(seed, "case", cases - len(strange_cases))
        form_sequence = RecordSequence(seed, "form", forms - len(strange_forms))
        self.cases = Collection(Cases(case_sequence, self.directory, form_sequence))
        self.forms = Collection(Forms(form_sequence, name, self.directory, case_sequence))
        for case in strange_cases:
            self.cases.put(case)
        for form in strange_forms:
            self.forms.put(form)
        self._case_sequence, self._form_sequence = case_sequence, form_sequence
        self._changes = 0
        self._last = 0
        self._pending: list[PendingChange] = []

    def now(self) -> int:
        """Return the current time in microseconds; strictly increasing."""
        self._last = max(timestamps.to_micros(datetime.now(UTC)), self._last + 1)
        return self._last

    def reveal_due(self, requests: int) -> None:
        """Apply the pending changes that are due."""
        now = time.monotonic()
        due = [each for each in self._pending if each.at <= now or each.request <= requests]
        if due:
            self._pending = [each for each in self._pending if each not in due]
        for each in due:
            each.reveal()

    def hide(self, every: int, seconds: float, until_request: int) -> None:
        """Hide every Nth case and form for a while."""
        cases, forms = self.cases.hide(every), self.forms.hide(every)

        def reveal() -> None:
            self.cases.unhide(cases)
            self.forms.unhide(forms)

        self._wait(reveal, seconds, until_request)

    def _wait(self, reveal: Callable[[], None], seconds: float, until_request: int) -> None:
        at = time.monotonic() + seconds if seconds else float("inf")
        self._pending.append(PendingChange(at, until_request or 1 << 60, reveal))

    def case_number(self, case_id: str) -> int | None:
        """Return the number of a generated case."""
        return self._case_sequence.number(case_id) if self._case_sequence.size else None

    def some_cases(self, count: int) -> list[str]:
        """Return the ids of some cases, different ones each time."""
        return list(islice(self._some(self._case_sequence, self.cases), count))

    def some_forms(self, count: int) -> list[str]:
        """Return the ids of some forms, different ones each time."""
        return list(islice(self._some(self._form_sequence, self.forms), count))

    def _some(self, sequence: RecordSequence, collection: Collection[Any]) -> Iterable[str]:
        self._changes += 1
        first = mix(self._changes, self.seed)
        for at in range(sequence.size):
            identifier = sequence.identifier(sequence.at_rank((first + at) % sequence.size))
            if collection.get(identifier) is not None:
                yield identifier

    def edit_case(self, case_id: str, changes: dict[str, Any]) -> Case:
        """Change a case: properties, case_name, owner_id, external_id, case_type, closed."""
        case = self._case(case_id)
        edited = apply_changes(case, changes, self.now())
        self._put_case(edited, changes)
        return edited

    def delete_case(self, case_id: str) -> None:
        """Delete a case permanently, without a trace in the API."""
        self._case(case_id)
        self.cases.remove(case_id)

    def _case(self, case_id: str) -> Case:
        case = self.cases.get(case_id)
        if case is None:
            raise UnknownRecordError(f"{self.name} has no case {case_id!r}.")
        return case

    def _put_case(self, case: Case, timing: dict[str, Any]) -> None:
        self._put(lambda: self.cases.put(case), timing)

    def _put(self, reveal: Callable[[], None], timing: dict[str, Any]) -> None:
        seconds = float(timing.get("delay_seconds") or 0)
        request = int(timing.get("until_request") or 0)
        if seconds or request:
            self._wait(reveal, seconds, request)
        else:
            reveal()

    def submit_form(self, submission: dict[str, Any]) -> Form:
        """Store a form and apply its case blocks.

        Args:
            submission: ``form`` (the form's JSON; without it, a visit to a random case),
                ``form_id``, ``xmlns``, ``app_id``, ``username``, ``delay_seconds``.
        """
        now = self.now()
        form = self._received(submission, now)
        self._put(lambda: self.forms.put(form), submission)
        for block in case_blocks(form["form"]):
            self._apply(block, form["id"], submission)
        return form

    def _received(self, submission: dict[str, Any], now: int) -> Form:
        kind = next((k for k in FORM_TYPES if k.xmlns == submission.get("xmlns")), VISIT_FORM)
        number = self._changes = self._changes + 1
        form_id = submission.get("form_id") or hex_id(self.seed, f"submitted {now}", number)
        answers = submission.get("form") or self._visit(now)
        user = self.directory.worker_ids[number % len(self.directory.worker_ids)]
        form = envelope(self.name, form_id, kind, answers)
        if "xmlns" in submission:
            form["form"]["@xmlns"] = submission["xmlns"]
        form["app_id"] = submission.get("app_id", kind.app_id)
        meta = {
            "deviceID": "Formplayer",
            "instanceID": form_id,
            "timeStart": timestamps.render(now - 90 * timestamps.SECOND),
            "timeEnd": timestamps.render(now - timestamps.SECOND),
            "userID": user,
            "username": submission.get("username") or self.directory.username(user),
        }
        form["form"].setdefault("meta", meta)
        form["metadata"] = cleaned(form["form"]["meta"])
        for field in ("received_on", "server_modified_on", "indexed_on"):
            form[field] = timestamps.render(now)
        return form

    def _visit(self, now: int) -> dict[str, Any]:
        answers: dict[str, Any] = {"measurements": {"weight": str(50 + self._changes % 30)}}
        for case_id in self.some_cases(1):
            answers["case"] = {
                "@case_id": case_id,
                "@date_modified": timestamps.render(now),
                "@user_id": self.directory.worker_ids[0],
                "update": {"last_visit": timestamps.day(now), "visits": str(self._changes)},
            }
        return answers

    def _apply(self, block: dict[str, Any], form_id: str, timing: dict[str, Any]) -> None:
        case_id = str(block.get("@case_id") or block.get("case_id") or "")
        if not case_id:
            return
        now = self.now()
        known = self.cases.get(case_id) or Case(
            case_id=case_id,
            case_type="",
            case_name="",
            external_id="",
            owner_id="",
            date_opened=timestamps.render(now),
            last_modified="",
            server_last_modified="",
            indexed_on="",
            closed=False,
            date_closed=None,
            properties={},
            indices={},
        )
        changes = _changes_of(block)
        edited = apply_changes(known, changes, now)
        edited.xform_ids = [*edited.xform_ids, form_id]
        self._put_case(edited, timing)

    def edit_form(self, form_id: str, changes: dict[str, Any]) -> Form:
        """Replace answers of a form; its id does not change."""
        form = self._form(form_id)
        now = timestamps.render(self.now())
        form["form"] = form["form"] | (changes.get("form") or {"edited": "yes"})
        form |= {"edited_on": now, "server_modified_on": now, "indexed_on": now}
        form["edited_by_user_id"] = self.directory.worker_ids[0]
        self._put(lambda: self.forms.put(form), changes)
        return form

    def archive_form(self, form_id: str, *, archived: bool = True) -> Form:
        """Archive or unarchive a form."""
        form = self._form(form_id)
        now = timestamps.render(self.now())
        form |= {"archived": archived, "server_modified_on": now, "indexed_on": now}
        form["problem"] = "Archived by admin" if archived else None
        self.forms.put(form)
        return form

    def delete_form(self, form_id: str) -> None:
        """Delete a form permanently, without a trace in the API."""
        self._form(form_id)
        self.forms.remove(form_id)

    def _form(self, form_id: str) -> Form:
        form = self.forms.get(form_id)
        if form is None:
            raise UnknownRecordError(f"{self.name} has no form {form_id!r}.")
        return dict(form)

    def reindex(self) -> None:
        """Give every case and form a new indexed_on, all in the same millisecond."""
        now = self.now() // 1000 * 1000
        self._last = now + 1000
        self.cases.reindex(now)
        self.forms.reindex(now)

    def total(self) -> dict[str, int]:
        """Count the cases and forms."""
        return {"cases": self.cases.count(Query()), "forms": self.forms.count(Query())}


def _changes_of(block: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {"properties": {}}
    for part in ("create", "update"):
        for name, value in (block.get(part) or {}).items():
            text = value.get("#text", "") if isinstance(value, dict) else str(value)
            if name in ("case_name", "case_type", "owner_id", "external_id"):
                changes[name] = text
            else:
                changes["properties"][name] = text
    if block.get("index"):
        changes["indices"] = {
            name: {
                "case_id": link["#text"],
                "case_type": link.get("@case_type", ""),
                "relationship": link.get("@relationship", "child"),
            }
            for name, link in block["index"].items()
            if link.get("#text")
        }
    if "close" in block:
        changes["closed"] = True
    return changes
