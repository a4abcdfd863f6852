"""Everything about the HQ half that can be switched, at start and while it runs.

It knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from commcare_sandbox.switch_fields import switch


@dataclass
class HQSwitches:
    """How HQ behaves; the defaults are what production does."""

    retry_after: str = switch(
        "auto",
        "Retry-After of a 429 or 503: auto (as production), absent, int, float, date, or a text.",
    )
    retry_after_seconds: float = switch(0.41, "How long int, float and date ask to wait.")
    rate_limit: str = switch(
        "", "Budget of a domain, such as second=3,minute=40,hour=1334,day=10050."
    )
    rate_limit_workers: int = switch(
        -1, "Budget that production gives a domain of so many active mobile workers."
    )
    next_style: str = switch(
        "default", "Links to the next page: default, bare, path, absolute, http, foreign."
    )
    page_cap: int = switch(0, "The server never puts more records than this on a page.")
    search_window: int = switch(1_000_000, "Offsets of forms and cases v1 end here (500).")
    gte_duplicate_page: bool = switch(
        default=False, text="A case list with indexed_on.gte serves its first page twice."
    )
    old_case_list: bool = switch(
        default=False,
        text="Case v2 as before June 2025: matching_records shrinks, no trailing empty page.",
    )
    unstable_ties: bool = switch(
        default=False, text="v1 lists order records of one millisecond anew on every request."
    )
    late_every: int = switch(0, "Every Nth case and form is invisible at first.")
    late_seconds: float = switch(0.0, "... for so many seconds after the switch was set,")
    late_requests: int = switch(0, "... or until so many API requests have been answered.")
    churn: int = switch(0, "So many cases are edited before each page of cases is answered.")
    location_restricted: bool = switch(
        default=False, text="The login sees only a part of the cases, and no other list."
    )
    missing_permission: str = switch(
        "", "Permissions that the login lacks, such as edit_data,access_api (403)."
    )
    expired_subscription: bool = switch(
        default=False, text="The domain's plan has no API access (401 with a body)."
    )
    cut_off: bool = switch(
        default=False, text="The domain is cut off for too many requests (401 with a body)."
    )
    no_locations: bool = switch(default=False, text="The plan has no locations (403).")
    two_factor: bool = switch(
        default=False, text="Basic and Digest need a one-time password (401 with a body)."
    )
    old_user_domains: bool = switch(
        default=False, text="user_domains comes in pages of 20, as in older releases."
    )
    hidden_domains: str = switch("", "Domains that user_domains does not list.")
    access_token_seconds: int = switch(900, "Life of an access token issued from now on.")
    redirect_uris: str = switch(
        "http://127.0.0.1/callback http://[::1]/callback",
        "Registered addresses of the OAuth client; one on loopback without a port fits any.",
    )
    pkce_required: bool = switch(
        default=True, text="The OAuth client must send a code challenge (production asks some)."
    )
