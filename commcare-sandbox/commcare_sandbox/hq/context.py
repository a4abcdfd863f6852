"""The request context of HQ's handlers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from commcare_sandbox.hq.credentials import Credentials
from commcare_sandbox.hq.data.domain import Domain
from commcare_sandbox.hq.sessions import BrowserSessions
from commcare_sandbox.hq.switches import HQSwitches
from commcare_sandbox.hq.throttling import Throttle
from commcare_sandbox.http_types import Request
from commcare_sandbox.request_log import RequestLog

FOREIGN = "https://hq.invalid"


@dataclass
class HQ:
    """State of one HQ server."""

    switches: HQSwitches
    credentials: Credentials
    domains: dict[str, Domain]
    request_log: RequestLog
    base_url: str = ""
    throttle: Throttle = field(default_factory=Throttle)
    sessions: BrowserSessions = field(default_factory=BrowserSessions)

    @property
    def first_domain(self) -> Domain:
        """The default domain."""
        return next(iter(self.domains.values()))


@dataclass
class Context:
    """A request that passed authentication, permissions and rate limits."""

    request: Request
    hq: HQ
    optional_domain: Domain | None = None

    @property
    def domain(self) -> Domain:
        """The domain of the request; LookupError if it has none."""
        if self.optional_domain is None:
            raise LookupError("The request has no domain.")
        return self.optional_domain

    def address(self, resource: str, identifier: str, *, absolute: bool = False) -> str:
        """Return the URL of a record, in the API version of the request."""
        old = re.search(r"/api/(v0\.\d)/", self.request.path)
        new = re.search(r"/api/[\w-]+/(v\d)/", self.request.path)
        part = f"{old[1]}/{resource}" if old else f"{resource}/{new[1] if new else 'v1'}"
        path = f"/a/{self.domain.name}/api/{part}/{identifier}/"
        return f"{self.hq.base_url}{path}" if absolute else path

    def link(self, query: str, usual: str) -> str:
        """Return a link to another page of this list, in the configured style."""
        style = self.hq.switches.next_style
        chosen = usual if style == "default" else style
        path = f"{self.request.path}?{query}"
        host = urlsplit(self.hq.base_url).netloc
        return {
            "bare": f"?{query}",
            "path": path,
            "absolute": f"{self.hq.base_url}{path}",
            "http": f"http://{host}{path}",
            "foreign": f"{FOREIGN}{path}",
        }[chosen]
