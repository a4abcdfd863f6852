"""Forms of the page, as they are shown and as they are sent."""

from __future__ import annotations

import pytest
from scout_control.api.views import Link
from scout_control.errors import SettingsError
from scout_control.serve.page import link_form, project_page, setup
from scout_control.serve.page.link_form import LinkForm

CONFIG = {
    "datasets": ["cases", "forms"],
    "exclude_columns": {"cases": ["case_name", "properties.phone"]},
    "start_date": "2025-01-01",
}
BEFORE = LinkForm.of("user", 24, CONFIG)


def sent(**form):
    return LinkForm.sent(form, BEFORE)


def test_a_form_shows_the_settings_of_a_link():
    assert BEFORE.streams == "cases\nforms"
    assert BEFORE.exclude == "cases: case_name, properties.phone"
    assert BEFORE.others == {"start_date": "2025-01-01"}


def test_a_form_that_is_sent_as_it_was_changes_nothing():
    changes = link_form.changes(sent(), BEFORE)

    assert changes["config"] == {"datasets": ["cases", "forms"]}
    assert (changes["exclude"], changes["hash"]) == (None, None)
    assert (changes["mode"], changes["interval_hours"], changes["unset"]) == ("user", 24, [])
    assert not link_form.has_other_rules(sent(), BEFORE)


def test_what_was_removed_from_a_form_is_removed():
    changes = link_form.changes(sent(streams=" \n", exclude="", hours=" 6 "), BEFORE)

    assert (changes["config"], changes["unset"]) == (None, ["streams", "exclude"])
    assert changes["exclude"] is None
    assert changes["interval_hours"] == 6
    assert link_form.has_other_rules(sent(exclude=""), BEFORE)


def test_a_stream_that_has_no_rules_any_longer_is_named_without():
    changes = link_form.changes(sent(exclude="forms: username"), BEFORE)

    assert changes["exclude"] == {"cases": [], "forms": ["username"]}


def test_streams_and_columns_are_written_on_lines_or_with_commas():
    changes = link_form.changes(
        sent(streams="cases, users\r\nforms", hash="users: phone\n\nusers : email"), BEFORE
    )

    assert changes["config"] == {"datasets": ["cases", "users", "forms"]}
    assert changes["hash"] == {"users": ["phone", "email"]}


@pytest.mark.parametrize("hours", ["", "soon", "1.5", "-1", "\u0661"])
def test_an_interval_is_a_whole_number(hours):
    with pytest.raises(SettingsError, match="not a number of hours"):
        link_form.changes(sent(hours=hours), BEFORE)


@pytest.mark.parametrize("line", ["cases", "cases:", ": phone", "cases phone"])
def test_a_line_that_is_not_readable_is_named(line):
    with pytest.raises(SettingsError, match="Columns to hash: line 2 is not readable"):
        link_form.changes(sent(hash=f"users: phone\n{line}"), BEFORE)


def test_settings_of_a_source_are_lines():
    assert setup.settings_of("domain = my = space\n\n page_size=10\nids = [1]") == {
        "domain": "my = space",
        "page_size": 10,
        "ids": [1],
    }
    with pytest.raises(SettingsError, match="Line 1"):
        setup.settings_of("domain my-space")


def link(mode):
    names = ("id", "project", "source", "source_type")
    return Link(
        **dict.fromkeys(names, "x"), credential_mode=mode, sync_config={},
        refresh_interval_hours=24, is_active=True,
    )  # fmt: skip


def dataset(user, *, agreed=True, needs_reconnect=False):
    return {"user": user, "agreed_at": agreed or None, "needs_reconnect": needs_reconnect}


DATA = [
    dataset("ann"),
    dataset("ben", needs_reconnect=True),
    dataset("cy", agreed=False),
    dataset("di"),
]


@pytest.mark.parametrize(
    ("mode", "data", "is_admin", "text"),
    [
        ("project", [dataset(None)], True, "project-level"),
        ("user", DATA, True, "user-level, 2 of 5 connected"),
        ("user", [], True, "user-level, 0 of 5 connected"),
        ("user", DATA[:1], False, "user-level, you are connected"),
        ("user", DATA[1:2], False, "user-level, you are not connected"),
    ],
)
def test_whose_account_reads_a_source_is_told(mode, data, is_admin, text):
    assert project_page.level(link(mode), 5, data, is_admin=is_admin) == text
