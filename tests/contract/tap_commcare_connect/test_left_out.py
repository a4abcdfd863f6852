"""NUL in the answers of Connect: stays for targets that can hold it, or is removed and told of."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

ANSWERS: dict[str, Any] = {
    "opp_org_program_list/": {
        "organizations": [],
        "programs": [],
        "opportunities": [{"id": 1, "name": "One", "organization": "o", "visit_count": 1}],
    },
    "user_data/": {"next": None, "results": [{"username": "ann\0", "name": "\0", "phone": "1"}]},
    "work_areas/": {
        "next": None,
        "results": [{"id": 7, "slug": "w\0", "case_properties": {"k\0": "a\0", "k": 1.10}}],
    },
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose rows hold NUL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            found = next(value for end, value in ANSWERS.items() if path.endswith(end))
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.mark.parametrize("is_stripped", [True, False])
def test_strip_nul_leaves_no_nul_in_values_and_names(url, tap, select, is_stripped):
    run = tap(catalog=select("users", "work_areas"), base_url=url, strip_nul=is_stripped)

    assert run.code == 0, run.log
    (user,), (area,) = run.records("users"), run.records("work_areas")
    if is_stripped:
        assert (user["username"], user["name"], area["slug"]) == ("ann", None, "w")
        assert area["case_properties"] == {"k\ufffd": "a", "k": 1.1}
        assert "users: NUL characters were removed: username (1), name (1)" in run.log
        assert (
            "work_areas: NUL characters were removed: case_properties.k\ufffd (2), slug" in run.log
        )
    else:
        assert (user["username"], area["case_properties"]["k\0"]) == ("ann\0", "a\0")
        assert "NUL" not in run.log
