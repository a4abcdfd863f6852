"""Cached pages equal generated ones and are invalidated by changes."""

from __future__ import annotations

import requests
from commcare_sandbox import Sandbox


def test_kept_pages_are_the_pages_until_a_row_changes():
    with Sandbox(cases=0, forms=0, connect_opportunities=1, connect_visits=40) as server:
        token = server.connect.logins()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json; version=2.0"}

        def rows():
            url = f"{server.connect.url}/export/opportunity/1/user_visits/?page_size=100"
            answer = requests.get(url, headers=headers, timeout=120)
            assert answer.headers["Content-Encoding"] == "gzip"
            return answer.json()["results"]

        made = rows()
        server.set(connect_keep_pages=True)
        kept = [rows(), rows()]
        server.connect.delete("user_visits", 1, made[0]["id"])

        assert kept == [made, made]
        assert rows() == made[1:]
        refused = requests.get(
            f"{server.connect.url}/export/opportunity/1/user_visits/?page_size=100",
            headers=headers | {"Authorization": "Bearer dead"},
            timeout=120,
        )
        assert refused.status_code == 401
