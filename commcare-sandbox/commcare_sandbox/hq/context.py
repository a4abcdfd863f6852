"""What every handler of HQ is given: the request, the world, and how to write a link."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from commcare_sandbox.hq.programme.domain import Domain
from commcare_sandbox.wire import Call
from commcare_sandbox.world import World

FOREIGN = "https://hq.invalid"


@dataclass
class Context:
    """A request that has passed authentication, permission and throttle."""

    call: Call
    world: World
    domain: Domain | None = None

    @property
    def space(self) -> Domain:
        """The domain of a domain-scoped request."""
        if self.domain is None:
            raise LookupError("This resource belongs to no domain.")
        return self.domain

    def address(self, resource: str, identifier: str, *, whole: bool = False) -> str:
        """Return where a record is, in the version and the spelling that was asked for."""
        old = re.search(r"/api/(v0\.\d)/", self.call.path)
        new = re.search(r"/api/[\w-]+/(v\d)/", self.call.path)
        part = f"{old[1]}/{resource}" if old else f"{resource}/{new[1] if new else 'v1'}"
        path = f"/a/{self.space.name}/api/{part}/{identifier}/"
        return f"{self.world.base_url}{path}" if whole else path

    def link(self, query: str, usual: str) -> str:
        """Write a link to another page of this list, in the style that is switched on."""
        style = self.world.switches.next_style
        chosen = usual if style == "default" else style
        path = f"{self.call.path}?{query}"
        host = urlsplit(self.world.base_url).netloc
        return {
            "bare": f"?{query}",
            "path": path,
            "absolute": f"{self.world.base_url}{path}",
            "http": f"http://{host}{path}",
            "foreign": f"{FOREIGN}{path}",
        }[chosen]
