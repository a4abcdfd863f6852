"""Everything about the Connect half that can be switched, at start and while it runs.

Opportunities are named by their ids, comma-separated. It knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from commcare_sandbox.switch_fields import switch


@dataclass
class ConnectSwitches:
    """How Connect behaves; the defaults are what production does."""

    connect_next: str = switch(
        "request", "Scheme and host of Connect's next: request, http, https, foreign, path."
    )
    connect_redirect: bool = switch(
        default=False, text="Connect answers 301 to https, as its edge does to http."
    )
    connect_payment_units: bool = switch(
        default=False, text="Details list payment units, as before August 2026."
    )
    connect_broken: str = switch("", "Opportunities whose detail answers 500.")
    connect_hidden: str = switch("", "Opportunities that are listed and answer 404.")
    connect_unlisted: str = switch("", "Opportunities that are neither listed nor shown.")
    connect_forbidden: bool = switch(default=False, text="The token lacks the scope (403).")
    connect_list_ms: float = switch(0.0, "How long the list of everything takes.")
    connect_csv_rows: int = switch(0, "A CSV stream breaks off after so many rows.")
    connect_old_fields: bool = switch(
        default=False, text="Fields as of June 2026: no user_visit_id, funder, watchers ..."
    )
    connect_no_program: bool = switch(default=False, text="No opportunity names a program.")
    connect_new_fields: bool = switch(default=False, text="Rows have a field that is new.")
    connect_keep_pages: bool = switch(
        default=False, text="Pages are kept until a row changes, to measure clients by."
    )
    connect_no_hq_key: str = switch(
        "", "Opportunities without a key of HQ: their app_structure answers 404."
    )
    connect_hq_down: bool = switch(
        default=False, text="HQ fails behind Connect: app_structure answers 502."
    )
    connect_llo: bool = switch(default=True, text="The user may read llo_entity.")
    connect_page_cap: int = switch(5000, "The largest page_size that is granted.")
    connect_token_seconds: int = switch(1_209_600, "Life of an access token issued from now on.")
    connect_token_requests: int = switch(0, "An access token dies after so many requests.")
    connect_signing: bool = switch(
        default=False, text="Tokens with scope openid can be signed; without, 500."
    )


def ids(text: str) -> frozenset[int]:
    """Return the opportunities that a switch names."""
    return frozenset(int(part) for part in text.split(",") if part.strip())
