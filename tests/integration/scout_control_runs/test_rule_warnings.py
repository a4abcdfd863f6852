"""Rules for columns that matched nothing are told until they match, or are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from scout_control.errors import RunFailedError, RunPausedError
from scout_control.runs import finish
from scout_control.runs.run_result import RunResult
from scout_control.store import lookups, runs

RULE, OTHER = "things.data.phnoe", "things.data.other"
UNSEEN, SEEN = {RULE: False}, {RULE: True}
FAILED = RunFailedError("It broke.", "Run again.")
PAUSED = RunPausedError("Rate-limited.", "Wait.")


class RuledDataset:
    """A dataset whose link has a rule, and ends of its runs."""

    def __init__(self, installation):
        self.scout = installation.scout
        self.path = installation.dataset()
        _, self.source = self.path.split("/")
        self.exclude(RULE)

    def exclude(self, *names):
        paths = [name.removeprefix("things.") for name in names]
        self.scout.links.update("river", self.source, exclude={"things": paths})

    def claim(self, *, full_refresh=False):
        installation = self.scout.installation
        queued = self.scout.runs.queue(self.path, full_refresh=full_refresh)
        with installation.store.begin() as session:
            found = lookups.run(session, queued.run_id)
            return runs.claim(session, found.id, "w", datetime.now(UTC))

    def run(self, column_rules, *, full_refresh=False, **known):
        run = self.claim(full_refresh=full_refresh)
        result = RunResult(column_rules=column_rules, **known)
        assert finish.finish(self.scout.installation, run, "w", result)
        return self.scout.runs.show(str(run.id))

    @property
    def reason(self):
        found = self.scout.status().synced_data
        return next(each["reason"] for each in found if each["path"] == self.path)

    @property
    def is_told(self):
        return f"exclude/hash rules matched nothing: {RULE}. " in (self.reason or "")


@pytest.fixture
def ruled(shared_installation):
    return RuledDataset(shared_installation)


def test_only_a_match_or_another_rule_ends_the_warning(ruled):
    run = ruled.run(UNSEEN)
    assert run.as_dict()["warnings"] == [ruled.reason]
    assert ruled.is_told
    ruled.run({})  # nothing of the stream came
    assert ruled.is_told
    ruled.run({}, error=FAILED)  # as does a run that failed before anything was read
    assert "It broke" in ruled.reason
    ruled.scout.runs.cancel(ruled.scout.runs.queue(ruled.path).run_id)
    assert "warnings" in ruled.run({}).as_dict()
    assert ruled.is_told

    assert "warnings" not in ruled.run(SEEN).as_dict()
    assert ruled.reason is None
    ruled.run(UNSEEN)  # no record of this increment had it
    assert ruled.reason is None
    ruled.run(UNSEEN, full_refresh=True)
    assert ruled.is_told
    ruled.exclude(OTHER)
    assert ruled.reason is None


def test_a_rule_that_changes_after_the_load_is_named_only_if_the_rows_lack_it_too(ruled):
    ruled.run(SEEN)
    ruled.exclude(RULE, OTHER)
    ruled.run({RULE: True, OTHER: False}, loaded_rules={OTHER: True})  # no record of these had it
    assert ruled.reason is None
    ruled.run({OTHER: False}, full_refresh=True)
    assert OTHER in ruled.reason

    ruled.exclude(RULE)
    ruled.run(SEEN)
    ruled.exclude("things.data.*oe")  # of what it was to match, the rows have nothing
    ruled.run({"things.data.*oe": False}, loaded_rules={"things.data.*oe": False})
    assert ruled.reason is None
    ruled.run({})
    ruled.exclude("things.data.typo")
    ruled.run({"things.data.typo": False}, loaded_rules={"things.data.typo": False})
    ruled.run({})
    assert "nothing: things.data.typo. " in ruled.reason


def test_a_first_load_names_only_what_it_has_read(ruled):
    ruled.run(UNSEEN, error=FAILED)
    assert "rules" not in ruled.reason
    ruled.run(UNSEEN, error=FAILED, is_partial=True, streams={"things": "failed"})
    assert "rules" not in ruled.reason
    scout = ruled.scout
    paused = ruled.claim()
    assert finish.finish(
        scout.installation, paused, "w", RunResult(column_rules=SEEN, error=PAUSED)
    )
    shown = scout.runs.show(str(paused.id)).as_dict()
    assert ("warnings" in shown, shown["column_rules_so_far"]) == (False, SEEN)
    scout.runs.cancel(str(paused.id))
    ruled.run(UNSEEN, loaded_rules=UNSEEN)  # what the cancelled run left out is in no row
    assert ruled.reason is None


def test_what_was_matched_before_a_drop_counts_no_longer(ruled):
    ruled.run(SEEN)
    ruled.scout.datasets.drop(ruled.path)
    ruled.exclude("things.data.*")
    ruled.run({"things.data.*": False})

    assert "things.data.*" in ruled.reason


def test_attempts_at_a_run_count_together(ruled):
    installation = ruled.scout.installation
    run = ruled.claim(full_refresh=True)
    assert finish.requeue(
        installation, run, "w", attempted=RunResult(column_rules=SEEN, seconds={"load": 2})
    )
    assert finish.finish(
        installation, ruled.claim(), "w", RunResult(column_rules=UNSEEN, seconds={"load": 1})
    )
    ended = ruled.scout.runs.show(str(run.id))

    assert ended.phase_seconds == {"load": 3}
    assert ruled.reason is None


def test_what_a_stopped_run_did_not_read_is_unknown(ruled):
    installation = ruled.scout.installation
    run = ruled.claim()
    found = RunResult(column_rules=UNSEEN, rows_loaded={"things": 7}, seconds={"load": 2.0})
    assert finish.requeue(installation, run, "w", timedelta(), "interrupted by Ctrl-C", found)
    ended = ruled.scout.runs.cancel(str(run.id), reason="interrupted by Ctrl-C")

    assert ruled.reason is None
    assert (ended.result["reason"], ended.rows_loaded) == ("interrupted by Ctrl-C", {"things": 7})
    assert (ended.activity, ended.phase_seconds) == ({}, {"load": 2.0})
