"""What a source lacks is named with the command that gives it."""

from __future__ import annotations

import shlex

import pytest
from scout_control.credentials.records import Owner
from scout_control.credentials.required_settings import error_for_owner, find_missing, link_error
from scout_control.meltano.project import SourceType
from scout_control.store.models import Project, ProjectSource, Source

GROUPS = (
    frozenset({"domain", "username", "api_key"}),
    frozenset({"domains", "access_token"}),
)


def a_type(required=GROUPS) -> SourceType:
    return SourceType(
        name="tap-commcare",
        label="HQ",
        executable="x",
        settings=("domain", "domains"),
        sensitive=("api_key",),
        required=required,
    )


SOURCE = Source(name="my hq", config={})
LINK = ProjectSource(project=Project(id="big river"), source=SOURCE, project_id="big river")


@pytest.mark.parametrize(
    ("names", "required", "missing"),
    [
        (set(), GROUPS, "domain or domains"),
        ({"domain"}, GROUPS, None),
        ({"domains"}, GROUPS, None),
        (set(), (), None),
        (set(), (frozenset({"a", "b", "password"}),), "a and b"),
    ],
)
def test_what_a_credential_supplies_is_not_missing(names, required, missing):
    assert find_missing(a_type(required), names) == missing


@pytest.mark.parametrize(
    ("project", "new_mode", "command"),
    [
        (
            *("big river", "user"),
            "scout links add 'my hq' --project 'big river' --mode user -c domain=VALUE",
        ),
        ("big river", None, "scout links update 'my hq' --project 'big river' -c domain=VALUE"),
        (None, None, "scout sources update 'my hq' -c domain=VALUE"),
    ],
)
def test_the_command_fits_the_situation(project, new_mode, command):
    error = link_error(a_type(), SOURCE, (), project, new_mode=new_mode)

    assert error is not None
    assert "requires the setting domain or domains" in error.cause
    assert command in error.remedy
    assert link_error(a_type(), SOURCE, ["domain"], project, new_mode=new_mode) is None


@pytest.mark.parametrize(
    ("owner", "link", "words"),
    [
        (Owner(project_id="big river"), LINK, ["links", "update", "my hq"]),
        (Owner(project_id="big river"), None, ["links", "add", "my hq"]),
        (Owner(user_id="ann"), LINK, ["links", "update", "my hq"]),
        (Owner(user_id="ann"), None, ["sources", "update", "my hq"]),
    ],
)
def test_an_account_that_cannot_be_tested_yet(owner, link, words):
    error = error_for_owner(a_type(), SOURCE, (), owner, link)

    assert error is not None
    assert shlex.split(error.remedy.partition("(")[2].partition(")")[0])[1:4] == words
