"""How the quickstart understands answers, and what it asks next."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from scout_control.api.quickstart import answers_file
from scout_control.api.quickstart.answers import (
    PRODUCTS,
    Answers,
    Question,
    choose_source,
    parse_place,
    parse_schedule,
    unanswered,
)
from scout_control.api.views import Source
from scout_control.errors import SettingsError

HQ, CONNECT = PRODUCTS["commcare"], PRODUCTS["connect"]
WWW = "https://www.commcarehq.org"
RIVER = Answers(source="commcare", server=WWW, place="river")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("river-health", (WWW, "river-health")),
        ("  river-health ", (WWW, "river-health")),
        ("https://www.commcarehq.org/a/river-health/", (WWW, "river-health")),
        ("https://WWW.CommCareHQ.org/a/River/dashboard/?x=1#y", (WWW, "River")),
        ("india.commcarehq.org/a/river", ("https://india.commcarehq.org", "river")),
        ("https://hq.example.org:8443/hq/a/r.v:2/", ("https://hq.example.org:8443/hq", "r.v:2")),
        ("http://127.0.0.1:8642/a/river-health/", ("http://127.0.0.1:8642", "river-health")),
        ("127.0.0.1:8642/a/river-health/", ("http://127.0.0.1:8642", "river-health")),
        ("https://h/a/river%20health/", ("https://h", "river health")),
    ],
)
def test_a_project_space_is_a_name_or_any_address_of_it(text, expected):
    assert parse_place(text, HQ, WWW) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "https://www.commcarehq.org", "https://[::1/a/x", "http:///a/x", "/"]
)
def test_what_names_no_project_space_is_refused_with_an_example(text):
    with pytest.raises(SettingsError, match=r"/a/NAME/|browser"):
        parse_place(text, HQ, WWW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("https://connect.dimagi.com", "")),
        ("river", ("https://connect.dimagi.com", "river")),
        ("https://connect.example.org/", ("https://connect.example.org", "")),
        ("https://c.example.org/a/river/opportunity/", ("https://c.example.org", "river")),
    ],
)
def test_an_organization_may_be_left_out(text, expected):
    assert parse_place(text, CONNECT, "https://connect.dimagi.com") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (True, None)),
        ("Yes", (True, None)),
        ("no", (False, None)),
        ("later", (False, None)),
        ("6", (True, 6)),
        (" 12 hours ", (True, 12)),
        ("6h", (True, 6)),
    ],
)
def test_a_schedule_is_yes_no_or_a_number_of_hours(text, expected):
    assert parse_schedule(text) == expected


@pytest.mark.parametrize("text", ["maybe", "-1", "1.5", "6 days", "9" * 5000])
def test_another_schedule_is_refused(text):
    with pytest.raises(SettingsError, match="hours"):
        parse_schedule(text)


def test_questions_come_in_order_and_only_what_is_missing():
    assert unanswered(Answers(), is_connected=False) == tuple(Question)
    assert unanswered(RIVER, is_connected=True) == (Question.DATABASE, Question.SCHEDULE)
    done = replace(RIVER, database="default", is_loaded_now=False)
    assert unanswered(done, is_connected=False) == (Question.ACCOUNT,)
    assert unanswered(done, is_connected=True) == ()


@pytest.mark.parametrize(
    ("place", "project", "expected"),
    [
        ("river-health", None, "river-health"),
        ("river-health", "clinic", "clinic"),
        ("-river", None, "river"),
        ("---", None, "hq"),
    ],
)
def test_a_project_is_named_like_its_project_space(place, project, expected):
    assert replace(RIVER, place=place, project=project).project_id == expected


def test_settings_and_fields_are_those_of_the_product():
    assert HQ.config("river") == {"domain": "river"}
    assert (CONNECT.config("river"), CONNECT.config("")) == ({"organization_slugs": ["river"]}, {})
    assert HQ.fields("a@b.org", "k") == {"username": "a@b.org", "api_key": "k"}
    assert CONNECT.fields(None, "t") == {"access_token": "t"}


def source(name, base_url=WWW, source_type="tap-commcare", **config):
    return Source(
        id="1",
        name=name,
        source_type=source_type,
        base_url=base_url,
        config=config,
        oauth_client_id=None,
        has_client_secret=False,
        is_active=True,
    )


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        ([], ("hq", False)),
        ([source("a")], ("a", True)),
        ([source("a", None)], ("a", True)),
        ([source("a", WWW + "/")], ("a", True)),
        ([source("a", domain="river")], ("a", True)),
        ([source("hq", domain="lake")], ("hq-2", False)),
        ([source("hq", domains=["river", "lake"])], ("hq-2", False)),
        ([source("hq", "https://india.commcarehq.org")], ("hq-2", False)),
        ([source("hq", source_type="tap-other")], ("hq-2", False)),
    ],
)
def test_a_source_of_the_same_server_is_used_again(existing, expected):
    assert choose_source(existing, RIVER, WWW) == expected


def test_a_source_of_another_server_is_named_after_it():
    india = replace(RIVER, server="https://india.commcarehq.org")

    assert choose_source([source("hq")], india, WWW) == ("hq-india", False)
    assert choose_source([source("hq"), source("hq-india", domain="x")], india, WWW) == (
        "hq-2",
        False,
    )


def test_answers_survive_in_a_private_file_without_secrets(tmp_path):
    answers = replace(RIVER, username="a@b.org", interval_hours=6, is_loaded_now=True)
    answers_file.save(tmp_path, answers)

    assert answers_file.load(tmp_path) == answers
    assert (tmp_path / answers_file.QUICKSTART_ANSWERS).stat().st_mode & 0o777 == 0o600
    answers_file.remove(tmp_path)
    answers_file.remove(tmp_path)
    assert answers_file.load(tmp_path) == Answers()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"source": "other"}', '{"source": ["commcare"]}', "\xff", "[" * 99999],
)
def test_half_a_file_or_a_foreign_one_counts_as_none(tmp_path, text):
    (tmp_path / answers_file.QUICKSTART_ANSWERS).write_text(text, encoding="latin-1")

    assert answers_file.load(tmp_path) == Answers()


def test_values_of_another_type_in_the_file_are_left_out(tmp_path):
    document = {**RIVER.as_dict(), "interval_hours": "6", "is_loaded_now": 1, "x": 2}
    (tmp_path / answers_file.QUICKSTART_ANSWERS).write_text(json.dumps(document))

    assert answers_file.load(tmp_path) == RIVER
