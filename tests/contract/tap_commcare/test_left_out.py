"""Values that cannot be read and properties without a column: named at the end of a run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

USER = {"id": "u1", "username": "ann", "is_active": True, "resource_uri": ""}
FORM = {
    "id": "f1",
    "indexed_on": "2026-01-02T03:04:05Z",
    "received_on": "31/01/2025 10:00",
    "archived": "perhaps",
    "is_phone_submission": "yes",
    "submit_ip": "192.0.2.1",
    "form": {"@xmlns": "x", "secret": "hush"},
    "brand_new": "hush",
}
LISTS = {
    "user/v1": [USER, USER | {"id": "u2", "user_data": "text", "shoe_size": 43}],
    "form/v1": [FORM],
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose rows have odd values and more properties than the tap knows."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("/api/")[2]
            rows = next((rows for name, rows in LISTS.items() if path.startswith(name)), [])
            rows = [] if "archived=true" in path and path.startswith("user") else rows
            meta = {"limit": 1000, "offset": 0, "total_count": len(rows), "next": None}
            body = json.dumps({"meta": meta, "objects": rows}).encode()
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


def test_names_and_counts_are_told_once_and_no_value_is(url, tap, select):
    run = tap(catalog=select("users", "forms"), base_url=url)

    (form,) = run.records("forms")
    assert run.code == 0, run.log
    assert (form["received_on"], form["archived"], form["is_phone_submission"]) == (
        None,
        None,
        True,
    )
    assert form["submit_ip"] == "192.0.2.1"
    for line in (
        "forms: values that could not be read are null: received_on (1), archived (1)",
        "forms: properties that have no column were left out: brand_new (1)",
        "users: values that could not be read are null: user_data (1)",
        "users: properties that have no column were left out: shoe_size (1)",
    ):
        assert run.log.count(line) == 1, run.log
    assert "hush" not in run.log
    assert "31/01" not in run.log


def test_strict_ends_with_65(url, tap, select):
    run = tap(catalog=select("forms"), base_url=url, strict=True)

    assert run.code == 65
    assert "forms.received_on cannot be read as its type" in run.log
    assert run.records("forms") == []
