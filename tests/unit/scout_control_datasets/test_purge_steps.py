"""A purge continues after a failed step, in an order that can be repeated."""

from __future__ import annotations

import re

import pytest
from psycopg import errors as postgres_errors
from scout_control.datasets.purge import server_log, steps
from scout_control.datasets.purge.owner_data import SearchTerms
from scout_control.datasets.purge.report import PurgeReport
from scout_control.datasets.purge.steps import Purge
from scout_control.errors import ServerError

ROLES = ("ro", "rw", "query", "login")
LOG = """\
2026 one of ann
DETAIL:  more of it
\tand more
2026 one of bob
2026 another
DETAIL:  that names ann
2026 the last
"""


@pytest.fixture
def purge():
    """A purge of an owner whose installation is not needed."""
    terms = SearchTerms(kind="user", id="ann")
    return Purge(installation=None, owner=None, terms=terms, wait_seconds=0, report=PurgeReport())


def test_a_step_that_fails_is_reported_and_the_others_follow(purge):
    done = []

    def unreachable(_):
        raise ServerError("The server does not answer.", "Start it.")

    def refused(_):
        raise postgres_errors.InsufficientPrivilege("canary")

    some = {
        "first": unreachable,
        "second": refused,
        "third": lambda each: done.append(each.owner),
    }
    steps.run_steps(some, purge)

    assert done == [None]
    assert purge.report.not_removed == [
        {"what": "first", "why": "The server does not answer."},
        {"what": "second", "why": "Postgres: SQLSTATE 42501."},
    ]


def test_a_failure_is_reported_once(purge):
    for _ in range(2):
        purge.report.failed("data", "why")

    assert len(purge.report.not_removed) == 1


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ([], set()),
        (["data"], set()),  # the step: each generated name of a schema begins like this
        (["data_ann_hq_1"], {f"data_ann_hq_1_{each}" for each in ROLES}),
        (["data_ann_hq"], set()),  # of another owner, or never one
        (["roles", "data_ann_hq_1_rw"], set()),
    ],
    ids=["nothing", "a step", "a schema", "the beginning of a schema", "a role"],
)
def test_only_roles_of_a_schema_that_is_reported_itself_are_not_reported(failed, expected):
    terms = SearchTerms(kind="user", id="ann", schemas=("data_ann_hq_1", "data_ann_hq_10"))
    report = PurgeReport()
    for each in failed:
        report.failed(each, "why")
    one = Purge(installation=None, owner=None, terms=terms, wait_seconds=0, report=report)

    assert steps.roles_of_reported_schemas(one) == expected


def test_access_and_runs_end_first_and_the_names_that_a_repetition_needs_go_last():
    order = list(steps.STEPS)

    assert order[:2] == ["access", "runs"]
    assert order.index("data") < order.index("roles") < order.index("rows")
    assert order.index("files") < order.index("audit")


def test_the_audit_trail_is_kept_while_something_is_left(purge):
    purge.report.failed("data", "why")

    steps.STEPS["audit"](purge)  # would need the store otherwise

    assert purge.report.removed == {}


def test_whole_entries_of_a_log_are_removed_in_place(tmp_path):
    log = tmp_path / "server.log"
    log.write_text(LOG)

    with log.open("a") as server:
        removed = server_log.remove_entries(log, re.compile(rb"\bann\b"))
        assert log.read_text() == "2026 one of bob\n2026 the last\n"
        server.write("2026 appended\n")

    assert removed == 5
    assert log.read_text().endswith("2026 the last\n2026 appended\n")
