"""The writer of a run's log: chunks, redaction, and a store that does not answer."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from scout_control.errors import ServerError
from scout_control.meltano.reports import Wait
from scout_control.rules.statuses import Phase
from scout_control.runs.context import ProgressEvent
from scout_control.runs.run_log import MAX_WAITING_LINES, PROGRESS_SECONDS, RunLogWriter, counts
from scout_control.store import run_logs
from scout_control.store.run_logs import CHUNK_CHARACTERS, unpacked


class Store:
    """Chunks by place, in memory."""

    def __init__(self):
        self.chunks: dict[tuple[int, int], bytes] = {}
        self.is_down, self.is_held, self.prunings = False, True, 0

    @contextmanager
    def begin(self):
        if self.is_down:
            raise ServerError("The store does not answer.", "Wait.")
        yield self

    def texts(self) -> list[str]:
        chunks = [unpacked(lines) for _, lines in sorted(self.chunks.items())]
        return [entry.text for entries in chunks for entry in entries]


@pytest.fixture
def store(monkeypatch):
    made = Store()

    def save(session, _run, worker, place, lines):
        assert (session, worker) == (made, "w")
        if made.is_held:
            made.chunks[place] = lines
        return made.is_held

    def prune(session, _run):
        session.prunings += 1

    monkeypatch.setattr(run_logs, "save", save)
    monkeypatch.setattr(run_logs, "prune", prune)
    return made


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(store, clock):
    """A log whose lines are stored when the test says so."""
    return RunLogWriter(store, SimpleNamespace(id=uuid.uuid4(), attempt=2), "w", clock)


def test_lines_go_to_the_open_chunk_until_it_is_full(log, store):
    line = "x" * 1000
    for _ in range(40):
        log.say(line)
        log._flush()

    assert sorted(store.chunks) == [(2, 0), (2, 1)]
    assert store.texts() == [line] * 40
    assert len(unpacked(store.chunks[2, 0])) == -(-CHUNK_CHARACTERS // len(line))
    assert store.prunings == 1


def test_many_lines_at_once_fill_several_chunks(log, store):
    for number in range(100):
        log.say(f"{number} " + "x" * 1000)
    log._flush()

    assert len(store.chunks) == 4
    assert [text.split()[0] for text in store.texts()] == [str(number) for number in range(100)]


def test_lines_wait_for_a_store_that_is_down_and_the_oldest_go_at_last(log, store):
    store.is_down = True
    for number in range(MAX_WAITING_LINES + 5):
        log.say(str(number))
    log._flush()
    store.is_down = False
    log._flush()
    log._flush()

    assert store.texts()[0] == "5"
    assert len(store.texts()) == MAX_WAITING_LINES


def test_a_worker_that_lost_the_run_stops_writing(log, store):
    store.is_held = False
    log.say("too late")
    log._flush()
    store.is_held = True
    log.say("still too late")
    log._flush()

    assert store.texts() == []


def test_nothing_is_stored_when_nothing_was_said(log, store):
    log._flush()

    assert store.chunks == {}


def test_all_lines_are_stored_at_the_end(store):
    with RunLogWriter(store, SimpleNamespace(id=uuid.uuid4(), attempt=1), "w") as log:
        log.say("the last word")

    assert store.texts() == ["Attempt 1 on w.", "the last word"]


def test_lines_of_plugins_are_redacted_and_those_of_control_as_well(log, store):
    log.redact(["canary"])
    log.read('{"string_id": "tap-other", "event": "key canary of \\"Asha\\""}\n')
    log.read("METRIC canary\n")
    log.say("told canary")
    log._flush()

    assert store.texts() == ['key *** of "..."', "METRIC ***", "told ***"]


def test_control_characters_are_escaped(log, store):
    log.say("a\x1b[2J\rforged\n")
    log._flush()

    assert store.texts() == ["a\\x1b[2J\\rforged\\n"]


def event(phase=Phase.LOADING, **fields):
    return ProgressEvent(phase=phase, message=f"Now {phase}", **fields)


COUNTS = {
    "forms": {"fetched": 7, "committed": 0, "total": None},
    "cases": {"fetched": 900, "committed": 800, "total": 5000},
}


def test_phases_are_logged_and_counts_now_and_then(log, store, clock):
    log.progress(event(progress=COUNTS))
    log.progress(event(progress=COUNTS, wait=Wait("HTTP 429", 5.0)))
    clock.now += PROGRESS_SECONDS
    log.progress(event(progress=COUNTS))
    log.progress(event(progress=COUNTS))
    clock.now += PROGRESS_SECONDS
    log.progress(event(Phase.TRANSFORMING))
    log.progress(event(Phase.TRANSFORMING))
    clock.now += PROGRESS_SECONDS
    log.progress(event(Phase.TRANSFORMING))
    log._flush()

    assert store.texts() == [
        "Now loading",
        "Now loading: cases 800 of 5,000, forms 7",
        "Now transforming",
        "Now transforming",
    ]


def test_counts_in_one_line():
    assert counts(event(progress=COUNTS)) == "cases 800 of 5,000, forms 7"
