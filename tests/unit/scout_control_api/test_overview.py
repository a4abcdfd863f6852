"""What ``scout status`` shows to a project, to a user, and to an administrator."""

from __future__ import annotations

import pytest
from scout_control.api import views
from scout_control.api.overview import Status, credentials_of, sources_of


def a_source(name):
    return views.Source(
        id=name,
        name=name,
        source_type="tap-x",
        base_url=None,
        config={},
        oauth_client_id=None,
        has_client_secret=False,
        is_active=True,
    )


def a_link(project, source):
    return views.Link(
        id=f"{project}/{source}",
        project=project,
        source=source,
        source_type="tap-x",
        credential_mode="user",
        sync_config={},
        refresh_interval_hours=24,
        is_active=True,
    )


def a_credential(project=None, user=None):
    return views.Credential(
        id=f"{project} {user}",
        source="hq",
        project=project,
        user=user,
        kind="api_key",
        status="connected",
        account=None,
        token_expires_at=None,
        scopes=None,
        last_error=None,
        last_used_at=None,
    )


SOURCES = [a_source("hq"), a_source("connect"), a_source("unused")]
CREDENTIALS = [
    a_credential(project="river"),
    a_credential(project="hill"),
    a_credential(user="ann"),
    a_credential(user="river"),  # a user may be named as a project is
]


def test_credentials_are_also_under_their_former_key():
    credentials = [{"source": "hq", "status": "connected"}]
    status = Status(available_sources=[], credentials=credentials, synced_data=[])

    document = status.as_dict()

    assert document["credentials"] == document["connections"] == credentials
    assert set(document) == {"available_sources", "credentials", "connections", "synced_data"}


@pytest.mark.parametrize(
    ("project", "links", "expected"),
    [
        (
            None,
            [("river", "hq"), ("hill", "hq"), ("hill", "connect")],
            {"hq": ["river", "hill"], "connect": ["hill"], "unused": []},
        ),
        ("river", [("river", "hq")], {"hq": ["river"]}),
        ("river", [], {}),
        (None, [], {"hq": [], "connect": [], "unused": []}),
        ("river", [("river", "removed")], {}),
    ],
    ids=["all", "a project", "a project without sources", "no project", "a removed source"],
)
def test_a_project_sees_the_sources_that_it_uses(project, links, expected):
    shown = sources_of(SOURCES, [a_link(*each) for each in links], project)

    assert {each["name"]: each["projects"] for each in shown} == expected


@pytest.mark.parametrize(
    ("project", "user", "ids"),
    [
        (None, None, ["river None", "hill None", "None ann", "None river"]),
        ("river", None, ["river None"]),
        (None, "river", ["None river"]),
        ("river", "ann", ["river None", "None ann"]),
        ("lake", None, []),
        (None, "bob", []),
        ("", None, []),
        (None, "", []),
    ],
)
def test_an_owner_sees_their_own_credentials_only(project, user, ids):
    shown = credentials_of(CREDENTIALS, project, user)

    assert [each["id"] for each in shown] == ids
