"""The HTTP session: connections with deadlines; no retries, cookies or credentials by default."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy

import requests

from tap_common.transfer import ENCODINGS, TimedAdapter


def new_session(connections: int, user_agent: str) -> requests.Session:
    """Return a session that does no retries, keeps no cookies and adds no credentials."""
    session = requests.Session()
    session.headers.update(
        {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": ENCODINGS}
    )
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # Without this, requests would replace the header by a credential in ~/.netrc.
    session.auth = lambda request: request
    adapter = TimedAdapter(pool_maxsize=max(connections, 1), max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
