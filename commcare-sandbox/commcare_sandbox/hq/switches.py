"""Switches of the HQ half.

Independent of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from commcare_sandbox.switch_definition import switch


@dataclass
class HQSwitches:
    """Behaviour of HQ; the defaults match production."""

    retry_after: str = switch(
        "auto",
        "Retry-After of a 429 or 503: auto (as production), absent, int, float, date, or a text.",
    )
    retry_after_seconds: float = switch(0.41, "Seconds that int, float and date ask to wait.")
    rate_limit: str = switch(
        "", "Rate limit of a domain, such as second=3,minute=40,hour=1334,day=10050."
    )
    rate_limit_workers: int = switch(
        -1, "Use the rate limit of a domain with this many active mobile workers."
    )
    next_style: str = switch(
        "default", "Links to the next page: default, bare, path, absolute, http, foreign."
    )
    page_cap: int = switch(0, "Maximum records per page, whatever the request's limit.")
    search_window: int = switch(1_000_000, "Offsets of forms and cases v1 beyond this return 500.")
    gte_duplicate_page: bool = switch(
        default=False, text="A case list with indexed_on.gte returns its first page twice."
    )
    old_case_list: bool = switch(
        default=False,
        text="Case v2 as before June 2025: matching_records shrinks, no trailing empty page.",
    )
    unstable_ties: bool = switch(
        default=False,
        text="v1 lists order records of the same millisecond differently on every request.",
    )
    late_every: int = switch(0, "Every Nth case and form is hidden at first,")
    late_seconds: float = switch(0.0, "... for this many seconds after the switch is set,")
    late_requests: int = switch(0, "... or until this many API requests were handled.")
    churn: int = switch(0, "Edit this many cases before each page of cases is returned.")
    location_restricted: bool = switch(
        default=False, text="The user sees only some of the cases, and no other list."
    )
    missing_permission: str = switch(
        "", "Permissions that the user lacks, such as edit_data,access_api (403)."
    )
    expired_subscription: bool = switch(
        default=False, text="The domain's plan has no API access (401 with a body)."
    )
    cut_off: bool = switch(
        default=False,
        text="The domain's API access is suspended for too many requests (401 with a body).",
    )
    no_locations: bool = switch(default=False, text="The plan has no locations (403).")
    two_factor: bool = switch(
        default=False, text="Basic and Digest require a one-time password (401 with a body)."
    )
    old_user_domains: bool = switch(
        default=False, text="user_domains is paginated by 20, as in older releases."
    )
    hidden_domains: str = switch("", "Domains that user_domains does not list.")
    access_token_seconds: int = switch(900, "Lifetime of new access tokens, in seconds.")
    redirect_uris: str = switch(
        "http://127.0.0.1/callback http://[::1]/callback",
        "Registered redirect URIs of the OAuth client; a loopback one without a port matches any.",
    )
    pkce_required: bool = switch(
        default=True, text="The OAuth client must use PKCE (in production some must)."
    )
