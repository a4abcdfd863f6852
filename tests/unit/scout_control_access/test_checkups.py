"""What operators see of ``scout doctor``: one round at a time, and its findings for a while."""

from __future__ import annotations

import threading

import pytest
from scout_control.access import checkups
from scout_control.access.checkups import Checkups
from scout_control.api import doctor
from scout_control.api.views import Finding
from scout_control.errors import BusyError, ServerError
from scout_control.installation.installation import Installation
from scout_control.installation.settings import Settings


class Rounds:
    """Checks that count their rounds, and can be held up."""

    def __init__(self):
        self.count, self.begun, self.may_end = 0, threading.Event(), threading.Event()
        self.may_end.set()

    def __call__(self):
        self.count += 1
        self.begun.set()
        assert self.may_end.wait(10)
        return [Finding(check="round", is_well=True, finding=str(self.count))]


def said(found):
    return [each.finding for each in found.findings]


def test_findings_are_kept_for_a_while():
    now, rounds = [0.0], Rounds()
    kept = Checkups(lambda: now[0])

    first = kept.latest(rounds)
    now[0] = checkups.KEPT_SECONDS - 0.1
    same = kept.latest(rounds)
    now[0] += 0.1

    assert (same, said(kept.latest(rounds))) == (first, ["2"])


def test_who_asks_during_a_round_gets_the_findings_of_the_one_before():
    now, rounds = [0.0], Rounds()
    kept = Checkups(lambda: now[0])
    kept.latest(rounds)
    now[0] = checkups.KEPT_SECONDS
    rounds.begun.clear()
    rounds.may_end.clear()
    thread = threading.Thread(target=kept.latest, args=[rounds])
    thread.start()
    try:
        assert rounds.begun.wait(10)
        assert said(kept.latest(rounds)) == ["1"]
    finally:
        rounds.may_end.set()
        thread.join()

    assert (said(kept.latest(rounds)), rounds.count) == (["2"], 2)


def test_who_asks_during_the_first_round_is_told_to_come_back():
    kept, rounds = Checkups(), Rounds()
    rounds.may_end.clear()
    thread = threading.Thread(target=kept.latest, args=[rounds])
    thread.start()
    try:
        assert rounds.begun.wait(10)
        with pytest.raises(BusyError, match="being checked"):
            kept.latest(rounds, wait_seconds=0)
    finally:
        rounds.may_end.set()
        thread.join()

    assert rounds.count == 1


def test_a_round_that_fails_does_not_keep_the_next_from_beginning():
    kept, rounds = Checkups(), Rounds()

    def failing():
        raise ServerError("The store does not answer.", "Start it.")

    with pytest.raises(ServerError):
        kept.latest(failing)

    assert said(kept.latest(rounds)) == ["1"]


def test_checks_without_time_are_left_out_by_name(installation_without_store):
    found = doctor.examine(installation_without_store, most_seconds=0)

    names = ", ".join(name for name, _ in doctor.CHECKS)
    assert [(each.check, each.finding, each.is_well) for each in found[1:]] == [
        ("checks", f"not completed within 0 s: {names}", False)
    ]


def test_a_check_that_yields_many_findings_ends_when_the_time_does(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(doctor.time, "monotonic", lambda: now[0])

    def endless(_):
        while True:
            now[0] += 1
            yield Finding(check="source", is_well=True, finding="answers")

    incomplete = []
    found = list(doctor._run("sources", endless, None, incomplete, until=3.0))

    assert [each.finding for each in found] == ["answers"] * 3
    assert incomplete == ["sources"]


def test_a_check_that_fails_is_a_finding_after_those_before():
    def failing(_):
        yield Finding(check="disk", is_well=True, finding="enough")
        raise ServerError("The store does not answer.", "Start it.")

    found = list(doctor._run("disk", failing, None, [], until=None))

    assert [(each.check, each.finding) for each in found] == [
        ("disk", "enough"),
        ("disk", "The store does not answer."),
    ]


@pytest.fixture
def installation_without_store(tmp_path):
    with Installation(Settings(project_root=tmp_path, home=tmp_path)) as installation:
        yield installation
