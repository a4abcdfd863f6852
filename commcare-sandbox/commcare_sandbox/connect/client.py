"""The Connect half of a running sandbox as a Python object, for tests and demonstrations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from commcare_sandbox.connect.context import PREFIX


class Controls(Protocol):
    """Speaks with the control endpoint."""

    url: str

    def post(self, action: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Tell the sandbox to do something."""

    def get(self, action: str) -> dict[str, Any]:
        """Ask the sandbox something."""

    def lines(self, action: str) -> Iterator[dict[str, Any]]:
        """Read an answer that has one JSON object a line."""


class ConnectSandbox:
    """What a client needs to know of the sandbox's Connect, and what can be done to it.

    A kind of rows is named by its path, such as ``user_visits`` or ``payment``.
    """

    def __init__(self, control: Controls) -> None:
        self._control = control

    @property
    def url(self) -> str:
        """Base URL."""
        return self._control.url + PREFIX

    def logins(self) -> dict[str, Any]:
        """Return clients and living tokens, and how often tokens were refreshed."""
        return self._control.get("connect/logins")

    def issue_tokens(self, **wish: str) -> dict[str, Any]:
        """Return a new pair of tokens; ``scope`` and ``client_id`` may be given."""
        return self._control.post("connect/issue-tokens", wish)

    def expire_access_tokens(self) -> None:
        """Let every access token expire now."""
        self._control.post("connect/expire-access-tokens")

    def kill_refresh_tokens(self) -> None:
        """Let every refresh token die."""
        self._control.post("connect/kill-refresh-tokens")

    def content(self, kind: str) -> Iterator[dict[str, Any]]:
        """Return all rows of a kind, each with ``opportunity``, ``row_id`` and ``row``.

        ``opportunities`` come as they are listed.
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
        """Add rows and return their ids; ``before`` takes ids below one that exists."""
        body = {"kind": kind, "opportunity": opportunity, "changes": changes, "count": count}
        response = self._control.post("connect/insert", body | {"before": before})
        return [int(row_id) for row_id in response["row_ids"]]

    def edit(self, kind: str, opportunity: int, row_id: int, **changes: Any) -> None:
        """Change columns of a row; no timestamp moves by itself."""
        where = {"kind": kind, "opportunity": opportunity, "row_id": row_id}
        self._control.post("connect/edit", where | {"changes": changes})

    def delete(self, kind: str, opportunity: int, row_id: int) -> None:
        """Remove a row for good."""
        where = {"kind": kind, "opportunity": opportunity, "row_id": row_id}
        self._control.post("connect/delete", where)
