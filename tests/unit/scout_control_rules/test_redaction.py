"""Secrets and values of records are removed from text of others."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.rules.redaction import HIDDEN, Redactor
from scout_control.rules.secret_patterns import SHORTEST_SECRET

SECRET = 's3cr"et/+ä%'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        repr(SECRET),
    ],
)
def test_a_known_secret_is_removed_in_the_usual_encodings(form):
    assert form.strip("'") not in Redactor([SECRET])(f"login with {form} failed")


def test_a_secret_that_contains_another_leaves_nothing():
    assert Redactor(["abcd", "abcdefgh"])("key abcdefgh.") == f"key {HIDDEN}."


def test_short_values_are_left_alone():
    assert Redactor(["", "a", "en"])("an English sentence") == "an English sentence"


@pytest.mark.parametrize(
    "text",
    [
        "connect to postgresql://scout:canary@db/x failed",
        "Authorization: Bearer canary",
        "headers {'Authorization': 'ApiKey me@x.org:canary'}",
        "GET /a?api_key=canary&limit=5",
        '"client_secret": "canary"',
        "PGPASSWORD=canary psql",
        "access_token = canary",
        "duplicate key: Key (name)=(canary) already exists.",
        "Failing row contains (7, canary, null).",
        'COPY cases, line 3, column age: "canary"',
        'invalid input syntax for type date: "canary"',
        'value "canary" is out of range for type integer',
        'record {"name": "canary", "age": 3} rejected',
        "GET https://hq.example/a/river/api/case/?name=canary&limit=5 failed",
        "wrote to canary@example.org",
        "Set-Cookie: session=canary; Path=/",
        'a body that was cut off: {"name": "canary", "ag',
        "record {'name': 'canary', 'more': {'deep': {'x': 'canary'}}} rejected",
    ],
)
def test_what_looks_like_a_secret_or_a_value_is_removed(text):
    assert "canary" not in Redactor()(text)


def test_quoted_text_is_removed_of_programs_that_may_quote_records():
    redact = Redactor()
    text = "Cannot read 'Asha' of \"Río\" (it's in column \"age\", setting 'domain')"

    assert redact(text) == text
    assert redact(text, may_quote_records=True) == (
        'Cannot read "..." of "..." (it\'s in column "age", setting \'domain\')'
    )


@pytest.mark.parametrize(
    "text",
    [
        "HQ refused the login of river-health.",
        "cases: version 1795900403107 is active",
        "waiting 15.0 s: HTTP 429, the rate limit of river",
        "The state {} is empty.",
        "Backing off request(...) for 1.6s",
        "Run again: scout credentials connect hq --project river",
        "Failure in model case_visit (models/x.sql)",
        'Database Error: column "age" does not exist',
    ],
)
def test_ordinary_lines_stay_as_they_are(text):
    assert Redactor(["a-long-secret"])(text) == text


@given(st.text(min_size=SHORTEST_SECRET, max_size=20), st.text(max_size=40), st.text(max_size=40))
def test_no_text_of_a_secret_survives(secret, before, after):
    found = Redactor([secret])(before + secret + after)

    assert secret not in found or secret in HIDDEN * 20 or secret in before + HIDDEN + after


@given(st.text(max_size=300))
def test_redacting_ends_for_any_text(text):
    assert isinstance(Redactor(["secret"])(text), str)
