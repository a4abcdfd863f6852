"""Cursors: what a list composed is parsed, and nothing else is."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.rules import cursors


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_what_was_composed_is_parsed(at, identity):
    assert cursors.parse(cursors.compose(at, identity)) == (at, identity)


@given(st.text(max_size=300))
def test_any_other_text_is_refused(text):
    try:
        at, identity = cursors.parse(text)
    except ValueError:
        return
    assert isinstance(at, datetime)
    assert isinstance(identity, uuid.UUID)


@pytest.mark.parametrize(
    "text",
    ["", "a", "é", "A" * 500]
    + [
        base64.urlsafe_b64encode(each).decode().rstrip("=")
        for each in (
            b"2026-01-01|x",
            b"2026-01-01|" + str(uuid.UUID(int=7)).encode(),
            b"\xff\xfe|a",
        )
    ],
)
def test_what_no_list_composed_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the reason is
        cursors.parse(text)
