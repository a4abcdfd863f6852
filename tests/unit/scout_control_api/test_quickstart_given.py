"""What options answer in advance, and what is missing without a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scout_control.api.quickstart.answers import Answers
from scout_control.api.quickstart.given import Given

RIVER = Answers(
    source="commcare",
    server="https://www.commcarehq.org",
    place="river",
    username="a@b.org",
    database="default",
    interval_hours=6,
    is_loaded_now=True,
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Given(), RIVER),
        (Given(source="commcare"), RIVER),
        (Given(source="connect"), Answers(source="connect")),
        (Given(place="lake"), replace(RIVER, place=None, server=None)),
        (Given(server="https://h"), replace(RIVER, place=None, server=None)),
        (Given(username="c@d.org"), replace(RIVER, username="c@d.org")),
        (Given(database_url="x"), replace(RIVER, database=None)),
        (Given(interval_hours=2), replace(RIVER, interval_hours=2)),
        (Given(is_loaded_now=False), replace(RIVER, is_loaded_now=False)),
        (Given(project="p"), replace(RIVER, project="p")),
    ],
)
def test_options_replace_what_an_earlier_start_was_told(given, expected):
    assert given.over(RIVER) == expected


def test_one_option_answers_the_last_question():
    assert Given(interval_hours=6).over(Answers()).is_loaded_now is True
    assert Given(is_loaded_now=False, interval_hours=6).over(Answers()).is_loaded_now is False


def missing(given, *, has_defaults=True, is_connected=False):
    answers = given.over(Answers())
    return given.missing(answers, has_defaults=has_defaults, is_connected=is_connected)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (Given(), ["--source", "--domain", "--api-key-file"]),
        (Given(source="connect"), ["--api-key-file"]),
        (Given(source="connect", place=""), ["--api-key-file"]),
        (Given(source="connect", place="", secret="t"), []),
        (Given(source="commcare", place="river", secret="k"), ["--username"]),
        (Given(source="commcare", place="river", username="a"), ["--username"]),
        (Given(source="commcare", place="river", username="a", secret="k"), []),
    ],
)
def test_what_is_missing_is_named_as_options(given, named):
    found = missing(given)

    assert len(found) == len(named)
    assert all(option in text for option, text in zip(named, found, strict=True))


def test_an_organization_is_missing_only_without_yes():
    [place, *_] = missing(Given(source="connect"), has_defaults=False)

    assert place.startswith("--organization")


def test_what_has_a_default_is_missing_only_without_yes():
    given = Given(source="connect", place="", secret="t")

    assert len(missing(given, has_defaults=False)) == 2
    all_given = replace(given, database_url="u", interval_hours=1)
    assert missing(all_given, has_defaults=False) == []


def test_an_account_that_is_connected_is_not_missing():
    assert missing(Given(source="commcare", place="river"), is_connected=True) == []


def test_a_secret_is_not_in_the_representation():
    assert "canary" not in repr(Given(secret="canary", database_url="canary"))
