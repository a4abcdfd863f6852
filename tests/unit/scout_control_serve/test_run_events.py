"""Live events: which there are, where they continue, and how many streams there may be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from scout_control.access.runs import News
from scout_control.api.views import LogLine
from scout_control.errors import BusyError
from scout_control.serve import run_events
from scout_control.serve.run_events import Streams, events_of, position_of


@dataclass(frozen=True)
class Run:
    """A run as far as events show it."""

    status: str

    def as_dict(self):
        return {"status": self.status}


def news(*texts, status="running", is_over=False):
    lines = [LogLine(at="", level="info", source="scout", text=text) for text in texts]
    return News(run=Run(status), lines=lines, position=(1, 2, 3), is_over=is_over)


def told(found, last=None):
    return [(each.event, each.id) for each in events_of(found, last or {})]


def test_lines_come_before_the_run_and_only_the_last_has_the_position_after_them():
    assert told(news("a", "b")) == [("log", None), ("log", "1-2-3"), ("run", "1-2-3")]


def test_a_run_is_told_when_it_has_changed():
    assert told(news(), {"status": "running"}) == []
    assert told(news(status="completed", is_over=True), {"status": "running"}) == [
        ("run", "1-2-3"),
        ("end", "1-2-3"),
    ]


@pytest.mark.parametrize("text", [None, "", "1-2", "a-b-c", "1-2-3-4", "-1-2-3", "²-1-1", "1--2"])
def test_an_id_of_no_event_means_the_beginning(text):
    assert position_of(text) == (0, 0, 0)


def test_a_position_is_the_one_of_its_id_and_bounded():
    assert position_of("1-2-3") == (1, 2, 3)
    assert max(position_of("9" * 50 + "-1-1")) < 2**31


def test_places_are_counted_by_person_and_given_back(monkeypatch):
    monkeypatch.setattr(run_events, "MOST_OF_PERSON", 1)
    monkeypatch.setattr(run_events, "MOST", 2)
    streams = Streams()

    with streams.taken("ann"):
        with pytest.raises(BusyError), streams.taken("ann"):
            pass
        with streams.taken("ben"), pytest.raises(BusyError), streams.taken("cara"):
            pass
    with streams.taken("ann"), streams.taken("cara"):
        pass
    assert not streams._by_person
