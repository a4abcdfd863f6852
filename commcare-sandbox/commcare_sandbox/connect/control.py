"""What the control endpoint can do with Connect: change rows, end tokens, show everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from commcare_sandbox.connect.context import Connect

Body = dict[str, Any]


def _insert(body: Body, connect: Connect) -> Body:
    row_ids = [
        connect.store.insert(
            body["kind"], int(body["opportunity"]), body.get("changes"), body.get("before")
        )
        for _ in range(int(body.get("count", 1)))
    ]
    return {"row_ids": row_ids}


def _edit(body: Body, connect: Connect) -> Body:
    place = body["kind"], int(body["opportunity"]), int(body["row_id"])
    connect.store.edit(*place, body["changes"])
    return {}


def _delete(body: Body, connect: Connect) -> Body:
    connect.store.delete(body["kind"], int(body["opportunity"]), int(body["row_id"]))
    return {}


def _end_access_tokens(_body: Body, connect: Connect) -> Body:
    connect.logins.end_access_tokens()
    return {}


def _end_refresh_tokens(_body: Body, connect: Connect) -> Body:
    connect.logins.end_refresh_tokens()
    return {}


def _logins(_body: Body, connect: Connect) -> Body:
    """Return every login, as they stand now, and how often tokens were refreshed."""
    logins = connect.logins
    return {
        "client_id": logins.client_id,
        "client_secret": logins.client_secret,
        "public_client_id": logins.public_client_id,
        "username": logins.username,
        "password": logins.password,
        "access_token": logins.access_token,
        "refresh_token": logins.refresh_token,
        "refreshes": logins.refreshes,
    }


def _issue(body: Body, connect: Connect) -> Body:
    """Hand out a new pair of tokens."""
    client_id = body.get("client_id", connect.logins.client_id)
    return connect.logins.issue(body.get("scope", "read export"), client_id)


ACTIONS: dict[tuple[str, str], Callable[[Body, Connect], Body]] = {
    ("POST", "insert"): _insert,
    ("POST", "edit"): _edit,
    ("POST", "delete"): _delete,
    ("POST", "issue-tokens"): _issue,
    ("POST", "expire-access-tokens"): _end_access_tokens,
    ("POST", "kill-refresh-tokens"): _end_refresh_tokens,
    ("GET", "logins"): _logins,
}
"""Methods and names of actions, below ``/_sandbox/connect/``."""


def content(kind: str, connect: Connect) -> Iterator[bytes]:
    """Return every row of a kind as lines of JSON, with the id that the API may hide."""
    rows = connect.store.opportunities() if kind == "opportunities" else None
    for row in rows if rows is not None else connect.store.content(kind):
        yield msgspec.json.encode(row) + b"\n"
