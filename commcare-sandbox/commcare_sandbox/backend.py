"""What a sandbox serves: the data and credentials of HQ and Connect, switches, request log."""

from __future__ import annotations

from dataclasses import dataclass

from commcare_sandbox.connect.context import Connect
from commcare_sandbox.connect.credentials import ConnectCredentials
from commcare_sandbox.connect.data.store import ConnectStore, Sizes
from commcare_sandbox.hq.context import HQ
from commcare_sandbox.hq.credentials import Credentials
from commcare_sandbox.hq.data.domain import Domain
from commcare_sandbox.request_log import RequestLog
from commcare_sandbox.switches import Switches

DOMAIN_NAMES = ("river-health", "hill-clinic", "delta-nutrition", "coast-tb")


@dataclass
class SandboxBackend:
    """What one running sandbox serves; the HTTP server and the control API work on it."""

    switches: Switches
    hq: HQ
    connect: Connect
    request_log: RequestLog
    base_url: str = ""

    def set_base_url(self, base_url: str) -> None:
        """Set the URL that generated links start with."""
        self.base_url = self.hq.base_url = self.connect.base_url = base_url


def create_backend(
    seed: int, cases: int, forms: int, domains: int, switches: Switches, sizes: Sizes
) -> SandboxBackend:
    """Generate the data of a sandbox from a seed."""
    names = [
        DOMAIN_NAMES[at] if at < len(DOMAIN_NAMES) else f"programme-{at + 1:02d}"
        for at in range(max(domains, 1))
    ]
    made = {name: Domain(name, seed + at, cases, forms) for at, name in enumerate(names)}
    request_log = RequestLog()
    hq = HQ(switches, Credentials(seed), made, request_log)
    connect = Connect(ConnectStore(seed, sizes), ConnectCredentials(seed, switches), switches)
    return SandboxBackend(switches, hq, connect, request_log)
