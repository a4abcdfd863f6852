"""Forms of every odd shape that CommCare is known to send; each domain has each of them once."""

from __future__ import annotations

from commcare_sandbox.hq.programme.forms import Form
from commcare_sandbox.hq.programme.people import People


def odd_forms(domain: str, people: People) -> list[Form]:
    """Return the odd forms."""
    del domain, people
    return []
