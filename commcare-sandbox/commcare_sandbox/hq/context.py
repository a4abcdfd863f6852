"""What every handler of HQ is given: the request, the world, and how to write a link."""

from __future__ import annotations

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
