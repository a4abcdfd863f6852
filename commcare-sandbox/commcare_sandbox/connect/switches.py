"""Switches of the Connect half.

Lists of opportunities are comma-separated ids. Independent of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from commcare_sandbox.switch_definition import switch


@dataclass
class ConnectSwitches:
    """Behaviour of Connect; the defaults match production."""

    connect_next: str = switch(
        "request", "Scheme and host of Connect's next link: request, http, https, foreign, path."
    )
    connect_redirect: bool = switch(
        default=False, text="Connect redirects to https (301), as its load balancer does."
    )
    connect_payment_units: bool = switch(
        default=False, text="Details list payment units, as before August 2026."
    )
    connect_broken: str = switch("", "Opportunities whose details return 500.")
    connect_hidden: str = switch("", "Opportunities that are listed and return 404.")
    connect_unlisted: str = switch("", "Opportunities that are not listed and return 404.")
    connect_forbidden: bool = switch(default=False, text="The token lacks the scope (403).")
    connect_list_ms: float = switch(0.0, "Response time of the opportunity list.")
    connect_csv_rows: int = switch(0, "A CSV stream aborts after this many rows; 0: never.")
    connect_old_fields: bool = switch(
        default=False, text="Fields as of June 2026: no user_visit_id, funder, watchers ..."
    )
    connect_no_program: bool = switch(default=False, text="No opportunity has a program.")
    connect_new_fields: bool = switch(default=False, text="Rows have an additional field.")
    connect_keep_pages: bool = switch(
        default=False, text="Cache pages until a row changes, for benchmarks of clients."
    )
    connect_no_hq_key: str = switch(
        "", "Opportunities without an HQ API key: app_structure returns 404."
    )
    connect_hq_down: bool = switch(default=False, text="HQ is down: app_structure returns 502.")
    connect_llo: bool = switch(default=True, text="The user has access to llo_entity.")
    connect_page_cap: int = switch(5000, "Maximum page_size.")
    connect_token_seconds: int = switch(1_209_600, "Lifetime of new access tokens, in seconds.")
    connect_token_requests: int = switch(
        0, "An access token expires after this many requests; 0: never."
    )
    connect_signing: bool = switch(
        default=False, text="Tokens with scope openid can be signed; otherwise 500."
    )


def ids(text: str) -> frozenset[int]:
    """Return the opportunity ids in a switch's value."""
    return frozenset(int(part) for part in text.split(",") if part.strip())
