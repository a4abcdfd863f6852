"""Everything about the sandbox that can be switched, at start and while it runs.

One table: the command line, the control endpoint and the README are made from it or checked
against it. It knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from commcare_sandbox.connect.switches import ConnectSwitches
from commcare_sandbox.connect.switches import switch as _switch


class SwitchError(Exception):
    """A switch that does not exist, or a value that does not fit it."""


@dataclass
class Switches(ConnectSwitches):
    """How the server behaves; the defaults are what production does."""

    fault: str = _switch("", "Faults to answer with, in turn, comma-separated (see faults).")
    fault_every: int = _switch(0, "Only every Nth API request meets the fault.")
    fault_next: int = _switch(0, "Only the next N API requests meet the fault.")
    fault_path: str = _switch("", "Only requests whose path contains this meet the fault.")
    retry_after: str = _switch(
        "auto",
        "Retry-After of a 429 or 503: auto (as production), absent, int, float, date, or a text.",
    )
    retry_after_seconds: float = _switch(0.41, "How long int, float and date ask to wait.")
    stall_seconds: float = _switch(65.0, "How long the fault 'stall' stays silent.")
    latency_ms: float = _switch(0.0, "Every API answer waits so long before it is sent.")
    rate_limit: str = _switch(
        "", "Budget of a domain, such as second=3,minute=40,hour=1334,day=10050."
    )
    rate_limit_workers: int = _switch(
        -1, "Budget that production gives a domain of so many active mobile workers."
    )
    next_style: str = _switch(
        "default", "Links to the next page: default, bare, path, absolute, http, foreign."
    )
    page_cap: int = _switch(0, "The server never puts more records than this on a page.")
    search_window: int = _switch(1_000_000, "Offsets of forms and cases v1 end here (500).")
    gte_duplicate_page: bool = _switch(
        default=False, text="A case list with indexed_on.gte serves its first page twice."
    )
    old_case_list: bool = _switch(
        default=False,
        text="Case v2 as before June 2025: matching_records shrinks, no trailing empty page.",
    )
    unstable_ties: bool = _switch(
        default=False, text="v1 lists order records of one millisecond anew on every request."
    )
    late_every: int = _switch(0, "Every Nth case and form is invisible at first.")
    late_seconds: float = _switch(0.0, "... for so many seconds after the switch was set,")
    late_requests: int = _switch(0, "... or until so many API requests have been answered.")
    churn: int = _switch(0, "So many cases are edited before each page of cases is answered.")
    location_restricted: bool = _switch(
        default=False, text="The login sees only a part of the cases, and no other list."
    )
    missing_permission: str = _switch(
        "", "Permissions that the login lacks, such as edit_data,access_api (403)."
    )
    expired_subscription: bool = _switch(
        default=False, text="The domain's plan has no API access (401 with a body)."
    )
    cut_off: bool = _switch(
        default=False, text="The domain is cut off for too many requests (401 with a body)."
    )
    no_locations: bool = _switch(default=False, text="The plan has no locations (403).")
    two_factor: bool = _switch(
        default=False, text="Basic and Digest need a one-time password (401 with a body)."
    )
    hidden_domains: str = _switch("", "Domains that user_domains does not list.")
    access_token_seconds: int = _switch(900, "Life of an access token issued from now on.")

    def set(self, changes: dict[str, Any]) -> None:
        """Change several switches at once, or none of them.

        Raises:
            SwitchError: A name is unknown or a value cannot be read as its switch's type.
        """
        kinds = {each.name: type(each.default) for each in fields(self)}
        converted = {}
        for name, value in changes.items():
            if name not in kinds:
                raise SwitchError(f"There is no switch {name!r}. Known: {', '.join(kinds)}.")
            converted[name] = _convert(name, value, kinds[name])
        for name, value in converted.items():
            setattr(self, name, value)


_TRUTH = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
    "": False,
}


def _convert(name: str, value: Any, kind: type) -> Any:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if kind is bool:
        if text.lower() not in _TRUTH:
            raise SwitchError(f"The switch {name!r} is on or off, not {text!r}.")
        return _TRUTH[text.lower()]
    if value is None:
        text = "" if kind is str else "0"
    try:
        return kind(text)
    except ValueError:
        raise SwitchError(f"The switch {name!r} takes {kind.__name__}, not {text!r}.") from None
