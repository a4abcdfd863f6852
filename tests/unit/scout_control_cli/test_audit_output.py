"""How events and verifications of the audit trail are shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import click
import pytest
from click.testing import CliRunner
from scout_control.api.audit import Verification
from scout_control.cli import audit
from scout_control.cli.base import json_option

NAMES = dict.fromkeys(("project", "source", "user", "dataset"))


@pytest.mark.parametrize(
    ("names", "of"),
    [
        ({}, "7"),
        ({"project": "river"}, "river"),
        ({"user": "ann", "project": "river"}, "river ann"),
        ({"dataset": "data_x", "source": "hq", "user": "ann"}, "hq ann data_x"),
        ({"user": "\x1b[31mred"}, "\\x1b[31mred"),
        ({"user": ""}, "7"),
    ],
)
def test_an_event_is_about_its_names_or_else_its_subject(names, of):
    row = {**NAMES, "subject": "7", **names}

    assert audit._with_subject(row)["of"] == of


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, None),
        (datetime(2026, 11, 28), datetime(2026, 11, 28, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2026, 11, 28, tzinfo=UTC), datetime(2026, 11, 28, tzinfo=UTC)),
        (
            datetime(2026, 11, 28, tzinfo=timezone(timedelta(hours=5))),
            datetime(2026, 11, 27, 19, tzinfo=UTC),
        ),
    ],
)
def test_a_time_without_a_zone_is_in_utc(time, expected):
    assert audit._as_utc(time) == expected


def verified(*flaws, as_json=False):
    """Return how a verification with these flaws is printed."""

    @json_option
    @click.command()
    def act():
        audit._print_verification(
            Verification(
                is_whole=not flaws, first=1, last=9, hash="abc", events=9, flaws=list(flaws)
            )
        )

    return CliRunner().invoke(act, ["--json"] if as_json else [])


def test_an_intact_trail_prints_the_hash_to_keep():
    done = verified()

    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "Intact: 9 events, the last at position 9.",
        "Keep this hash elsewhere, for --expect: abc",
    ]


def test_each_flaw_is_named_with_its_position_and_no_hash_is_recommended():
    done = verified(
        {"position": 4, "flaw": "its event is missing"},
        {"position": None, "flaw": "the function \x1b[31m was replaced"},
    )

    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "Position 4: its event is missing.",
        "The trail: the function \\x1b[31m was replaced.",
    ]


@pytest.mark.parametrize("flaws", [[], [{"position": 4, "flaw": "its event is missing"}]])
def test_a_program_gets_the_verdict_and_the_same_exit_code(flaws):
    done = verified(*flaws, as_json=True)

    assert json.loads(done.stdout)["flaws"] == flaws
    assert json.loads(done.stdout)["is_whole"] is (not flaws)
    assert done.exit_code == bool(flaws)
