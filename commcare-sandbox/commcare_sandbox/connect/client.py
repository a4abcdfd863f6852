"""Python client for the Connect half of a running sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from commcare_sandbox.connect.context import PREFIX


class Controls(Protocol):
    """What the client needs from a control connection."""

    url: str

    def post(self, action: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST an action and return its JSON response."""

    def get(self, action: str) -> dict[str, Any]:
        """GET an action's JSON response."""

    def lines(self, action: str) -> Iterator[dict[str, Any]]:
        """GET a response with one JSON object per line."""


class ConnectSandbox:
    """URL, credentials and data of the sandbox's Connect.

    A kind of rows is named by its path, such as ``user_visits`` or ``payment``.
    """

    def __init__(self, control: Controls) -> None:
        self._control = control

    @property
    def url(self) -> str:
        """Base URL."""
        return self._control.url + PREFIX

    def logins(self) -> dict[str, Any]:
        """Return OAuth clients, valid tokens, and the number of refreshes."""
        return self._control.get("connect/logins")

    def issue_tokens(self, **wanted: str) -> dict[str, Any]:
        """Return a new pair of tokens; ``scope`` and ``client_id`` may be given."""
        return self._control.post("connect/issue-tokens", wanted)

    def expire_access_tokens(self) -> None:
        """Expire every access token."""
        self._control.post("connect/expire-access-tokens")

    def kill_refresh_tokens(self) -> None:
        """Revoke every refresh token."""
        self._control.post("connect/kill-refresh-tokens")

    def content(self, kind: str) -> Iterator[dict[str, Any]]:
        """Return all rows of a kind, each with ``opportunity``, ``row_id`` and ``row``.

        For ``opportunities``, return the list that the API shows.
        """
        return self._control.lines(f"content/connect/{kind}")

    def insert(
        self,
        kind: str,
        opportunity: int,
        changes: dict[str, Any] | None = None,
        *,
        before: int | None = None,
        count: int = 1,
    ) -> list[int]:
        """Insert rows and return their ids; ``before`` allocates ids below an existing one."""
        body = {"kind": kind, "opportunity": opportunity, "changes": changes, "count": count}
        response = self._control.post("connect/insert", body | {"before": before})
        return [int(row_id) for row_id in response["row_ids"]]

    def edit(self, kind: str, opportunity: int, row_id: int, **changes: Any) -> None:
        """Change columns of a row. No timestamp is updated."""
        where = {"kind": kind, "opportunity": opportunity, "row_id": row_id}
        self._control.post("connect/edit", where | {"changes": changes})

    def delete(self, kind: str, opportunity: int, row_id: int) -> None:
        """Delete a row permanently."""
        where = {"kind": kind, "opportunity": opportunity, "row_id": row_id}
        self._control.post("connect/delete", where)
