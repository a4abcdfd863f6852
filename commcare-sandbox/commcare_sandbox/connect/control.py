"""Control actions of Connect: change rows, revoke tokens, dump the data."""

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
    index = body["kind"], int(body["opportunity"]), int(body["row_id"])
    connect.store.edit(*index, body["changes"])
    return {}


def _delete(body: Body, connect: Connect) -> Body:
    connect.store.delete(body["kind"], int(body["opportunity"]), int(body["row_id"]))
    return {}


def _end_access_tokens(_body: Body, connect: Connect) -> Body:
    connect.credentials.end_access_tokens()
    return {}


def _end_refresh_tokens(_body: Body, connect: Connect) -> Body:
    connect.credentials.end_refresh_tokens()
    return {}


def _credentials(_body: Body, connect: Connect) -> Body:
    """Return clients, users and valid tokens, and the number of refreshes."""
    credentials = connect.credentials
    return {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "public_client_id": credentials.public_client_id,
        "username": credentials.username,
        "password": credentials.password,
        "access_token": credentials.access_token,
        "refresh_token": credentials.refresh_token,
        "refreshes": credentials.refreshes,
    }


def _issue(body: Body, connect: Connect) -> Body:
    """Issue an access and a refresh token."""
    client_id = body.get("client_id", connect.credentials.client_id)
    return connect.credentials.issue(body.get("scope", "read export"), client_id)


ACTIONS: dict[tuple[str, str], Callable[[Body, Connect], Body]] = {
    ("POST", "insert"): _insert,
    ("POST", "edit"): _edit,
    ("POST", "delete"): _delete,
    ("POST", "issue-tokens"): _issue,
    ("POST", "expire-access-tokens"): _end_access_tokens,
    ("POST", "kill-refresh-tokens"): _end_refresh_tokens,
    ("GET", "logins"): _credentials,
}
"""Method and path of each action, below ``/_sandbox/connect/``."""


def content(kind: str, connect: Connect) -> Iterator[bytes]:
    """Return every row of a kind as lines of JSON, with the id that the API may hide."""
    rows = connect.store.opportunities() if kind == "opportunities" else None
    for row in rows if rows is not None else connect.store.content(kind):
        yield msgspec.json.encode(row) + b"\n"
