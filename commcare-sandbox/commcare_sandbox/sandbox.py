"""Starts a sandbox and controls it from Python.

The server is a child process that exits when its stdin closes, so also when the parent is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from commcare_sandbox.connect.client import ConnectSandbox

_STOP_SECONDS = 10


class SandboxError(Exception):
    """The sandbox did not start, or rejected a control request."""


class Control:
    """Client of a sandbox's control endpoint."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._opener = build_opener(ProxyHandler({}))

    def post(self, action: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST an action and return its JSON response."""
        request = Request(  # noqa: S310 - the address is the sandbox's own
            f"{self.url}/_sandbox/{action}",
            data=json.dumps(body or {}).encode(),
            headers={"Content-Type": "application/json"},
        )
        return self._read(request)

    def get(self, action: str) -> dict[str, Any]:
        """GET an action's JSON response."""
        return self._read(Request(f"{self.url}/_sandbox/{action}"))  # noqa: S310 - as above

    def lines(self, action: str) -> Iterator[dict[str, Any]]:
        """GET a response with one JSON object per line."""
        with self._opened(f"{self.url}/_sandbox/{action}") as response:
            for line in response:
                yield json.loads(line)

    def _read(self, request: Request) -> dict[str, Any]:
        with self._opened(request) as response:
            body: dict[str, Any] = json.load(response)
        return body

    def _opened(self, request: Request | str) -> Any:
        try:
            return self._opener.open(request)
        except HTTPError as error:
            with error:
                raise SandboxError(json.load(error)["error"]) from None
        except OSError as error:
            raise SandboxError(f"No sandbox responds at {self.url}: {error}.") from None


class Sandbox:
    """A sandbox that runs for the duration of a ``with`` block."""

    def __init__(
        self, *, cases: int = 1000, forms: int = 400, seed: int = 1, port: int = 0, **switches: Any
    ) -> None:
        plain = {"cases": cases, "forms": forms, "seed": seed, "port": port}
        self._command = [sys.executable, "-m", "commcare_sandbox", "serve", "--until-eof"]
        for name, value in (plain | switches).items():
            written = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            self._command.append(f"--{name.replace('_', '-')}={written}")
        self._process: subprocess.Popen[str] | None = None
        self._info: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Start the sandbox."""
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self.stop()
            raise SandboxError("The sandbox did not start; see stderr.")
        self._info = json.loads(line)
        self._control = Control(self.url)
        return self

    def __exit__(
        self,
        record_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the sandbox."""
        self.stop()

    def stop(self) -> None:
        """Stop the server."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process = None

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid if self._process else 0

    @property
    def info(self) -> dict[str, Any]:
        """What the server printed when it was ready."""
        return dict(self._info)

    @property
    def url(self) -> str:
        """Base URL."""
        return str(self._info["url"])

    @property
    def domain(self) -> str:
        """Name of the first domain."""
        return str(self._info["domain"])

    @property
    def domains(self) -> list[str]:
        """Names of all domains."""
        return list(self._info["domains"])

    @property
    def username(self) -> str:
        """Username of the account."""
        return str(self._info["username"])

    @property
    def password(self) -> str:
        """Password of the account, for Basic and Digest."""
        return str(self._info["password"])

    @property
    def api_key(self) -> str:
        """API key of the account."""
        return str(self._info["api_key"])

    @property
    def client_id(self) -> str:
        """Id of the OAuth client."""
        return str(self._info["client_id"])

    @property
    def client_secret(self) -> str:
        """Secret of the OAuth client."""
        return str(self._info["client_secret"])

    @property
    def access_token(self) -> str:
        """The access token issued at start."""
        return str(self._info["access_token"])

    @property
    def refresh_token(self) -> str:
        """The currently valid refresh token."""
        return str(self.status()["refresh_token"])

    @property
    def connect(self) -> ConnectSandbox:
        """The Connect half."""
        return ConnectSandbox(self._control)

    @property
    def reports(self) -> list[str]:
        """Ids of the reports of the first domain."""
        return list(self._info["reports"])

    @property
    def data_sources(self) -> list[str]:
        """Ids of the data sources of the first domain."""
        return list(self._info["data_sources"])

    def status(self) -> dict[str, Any]:
        """Return switches, counts, and the valid refresh token."""
        return self._control.get("status")

    def requests(self) -> dict[str, Any]:
        """Return counts of API requests by path and status, and the latest requests."""
        return self._control.get("requests")

    def forget_requests(self) -> None:
        """Clear the request log."""
        self._control.post("forget-requests")

    def content(self, record_type: str, domain: str | None = None) -> Iterator[dict[str, Any]]:
        """Return every record of ``cases`` or ``forms`` as the API shows it, with archived ones."""
        query = f"?{urlencode({'domain': domain})}" if domain else ""
        return self._control.lines(f"content/{record_type}{query}")

    def set(self, **switches: Any) -> None:
        """Change switches while the server runs."""
        self._control.post("set", switches)

    def submit_form(self, **submission: Any) -> str:
        """Submit a form and apply its case blocks; return its id."""
        return str(self._control.post("submit-form", submission)["form_ids"][-1])

    def edit_form(self, form_id: str | None = None, **changes: Any) -> str:
        """Edit a form, by default any; return its id."""
        return self._one("edit-form", "form", form_id, changes)

    def archive_form(self, form_id: str | None = None, **where: Any) -> str:
        """Archive a form, by default any; return its id."""
        return self._one("archive-form", "form", form_id, where)

    def unarchive_form(self, form_id: str, **where: Any) -> str:
        """Unarchive a form; return its id."""
        return self._one("unarchive-form", "form", form_id, where)

    def delete_form(self, form_id: str | None = None, **where: Any) -> str:
        """Delete a form permanently, by default any; return its id."""
        return self._one("delete-form", "form", form_id, where)

    def edit_case(self, case_id: str | None = None, **changes: Any) -> str:
        """Edit a case, by default any; return its id."""
        return self._one("edit-case", "case", case_id, changes)

    def delete_case(self, case_id: str | None = None, **where: Any) -> str:
        """Delete a case permanently, by default any; return its id."""
        return self._one("delete-case", "case", case_id, where)

    def reindex(self, **where: Any) -> None:
        """Give every record a new indexed_on, all within one millisecond."""
        self._control.post("reindex", where)

    def deactivate_user(self, user_id: str, **where: Any) -> None:
        """Deactivate a mobile worker."""
        self._control.post("deactivate-user", {"user_id": user_id, **where})

    def archive_location(self, location_id: str, **where: Any) -> None:
        """Archive a location: no list shows it."""
        self._control.post("archive-location", {"location_id": location_id, **where})

    def expire_access_tokens(self) -> None:
        """Expire every access token."""
        self._control.post("expire-access-tokens")

    def kill_refresh_token(self) -> None:
        """Revoke the refresh token."""
        self._control.post("kill-refresh-token")

    def _one(
        self, action: str, record_type: str, record_id: str | None, more: dict[str, Any]
    ) -> str:
        named = {f"{record_type}_id": record_id} if record_id else {}
        return str(self._control.post(action, named | more)[f"{record_type}_ids"][-1])
