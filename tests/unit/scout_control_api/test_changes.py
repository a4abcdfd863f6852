"""An update sets what is named, removes what is unset, and leaves everything else."""

from __future__ import annotations

import pytest
from scout_control.api.changes import check_name, check_unset, merged
from scout_control.errors import SettingsError

KNOWN = ("domain", "page_size", "datasets")
ALIASES = {"streams": "datasets", "mode": "credential_mode"}


def unset(*names, given=()):
    return check_unset(names, KNOWN, given, "The link", ALIASES)


def test_what_is_neither_named_nor_unset_stays():
    current = {"domain": "river", "page_size": 5, "datasets": ["cases"]}

    assert merged(current, {"page_size": 9}, {"domain"}) == {"page_size": 9, "datasets": ["cases"]}
    assert merged(current, None, ()) == current
    assert current["page_size"] == 5


def test_names_to_unset_are_returned_as_stored():
    assert unset("page_size", "streams", "mode", "datasets") == {
        "page_size", "datasets", "credential_mode",
    }  # fmt: skip
    assert unset() == frozenset()
    assert check_unset("domain", KNOWN, (), "The link") == {"domain"}


@pytest.mark.parametrize(
    ("name", "suggestion"), [("page-size", "page_size"), ("stream", "streams"), ("moed", "mode")]
)
def test_an_unknown_name_to_unset_gets_a_suggestion(name, suggestion):
    with pytest.raises(
        SettingsError, match=f"no setting {name} to unset. Did you mean {suggestion}"
    ):
        unset(name)


@pytest.mark.parametrize("given", ["datasets", "streams"])
def test_a_setting_cannot_be_set_and_unset_at_once(given):
    with pytest.raises(SettingsError, match="datasets cannot be set and unset at once"):
        unset("streams", given=[given])


def test_the_error_of_a_name_says_what_to_choose():
    check_name("river", "The id of a project", is_id=True)
    with pytest.raises(SettingsError, match=r"slash.* Correct it, or choose another id\."):
        check_name("a/b", "The id of a project", is_id=True)
    with pytest.raises(SettingsError, match=r"choose another name\."):
        check_name("-x", "The name of a source")
