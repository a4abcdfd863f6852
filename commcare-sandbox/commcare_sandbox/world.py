"""All that the server serves and remembers, shared by its halves and by the control endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from commcare_sandbox.connect.context import Connect
from commcare_sandbox.connect.estate.estate import Estate, Sizes
from commcare_sandbox.connect.logins import ConnectLogins
from commcare_sandbox.hq.programme.domain import Domain
from commcare_sandbox.hq.throttle import Throttle
from commcare_sandbox.journal import Journal
from commcare_sandbox.logins import Logins
from commcare_sandbox.switches import Switches

DOMAIN_NAMES = ("river-health", "hill-clinic", "delta-nutrition", "coast-tb")


@dataclass
class World:
    """Switches, logins, data and memory of one running sandbox."""

    switches: Switches
    logins: Logins
    domains: dict[str, Domain]
    connect: Connect
    base_url: str = ""
    journal: Journal = field(default_factory=Journal)
    throttle: Throttle = field(default_factory=Throttle)

    @property
    def first_domain(self) -> Domain:
        """The domain that is meant when none is named."""
        return next(iter(self.domains.values()))


def make_world(
    seed: int, cases: int, forms: int, domains: int, switches: Switches, sizes: Sizes
) -> World:
    """Make everything that is served from a seed."""
    names = [
        DOMAIN_NAMES[at] if at < len(DOMAIN_NAMES) else f"programme-{at + 1:02d}"
        for at in range(max(domains, 1))
    ]
    made = {name: Domain(name, seed + at, cases, forms) for at, name in enumerate(names)}
    connect = Connect(Estate(seed, sizes), ConnectLogins(seed, switches), switches)
    return World(switches, Logins(seed), made, connect)
