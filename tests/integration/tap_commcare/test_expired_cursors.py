"""If the server no longer knows the position of the last run, everything is read again, once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

TAP = Path(sys.executable).parent / "tap-commcare"
STAMP = "2025-02-01T00:00:{:02d}.000000Z"
LOST = 1_738_368_030_000


class Server(ThreadingHTTPServer):
    """Cases and locations; a request with a cursor or an offset fails."""

    failure = 500
    lost = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if "cursor" in query or "offset" in query:
            self.server.lost += 1
            self._answer(self.server.failure, {"error": "no longer known"})
        elif "case/v2" in parts.path:
            cases = [{"case_id": f"c{n}", "indexed_on": STAMP.format(n)} for n in range(60)]
            after = query.get("indexed_on.gt", [""])[0][:19]
            found = [case for case in cases if case["indexed_on"][:19] > after]
            self._answer(200, {"matching_records": len(found), "cases": found})
        else:
            rows = [{"location_id": f"l{n}", "location_type": None} for n in range(5)]
            meta = {"limit": 1000, "offset": 0, "total_count": 5, "next": None}
            self._answer(200, {"meta": meta, "objects": rows if "/location/" in self.path else []})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield http
        http.shutdown()


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Callable[[str, dict[str, Any]], tuple[int, str, list]]:
    def start(stream: str, entry: dict[str, Any]) -> tuple[int, str, list]:
        files = {
            "config": {
                "base_url": f"http://127.0.0.1:{server.server_port}",
                "domain": "d",
                "access_token": "t",
                "max_retry_seconds": 0.5,
            },
            "catalog": {"streams": [{"tap_stream_id": stream, "stream": stream, "metadata": []}]},
            "state": {"bookmarks": {stream: entry}},
        }
        found = subprocess.run([TAP, "--discover"], capture_output=True, check=True)
        files["catalog"]["streams"] = [
            each for each in json.loads(found.stdout)["streams"] if each["stream"] == stream
        ]
        args = []
        for name, value in files.items():
            (tmp_path / name).write_text(json.dumps(value))
            args += [f"--{name}", str(tmp_path / name)]
        done = subprocess.run([TAP, *args], capture_output=True, check=False, timeout=200)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, done.stderr.decode(), [x for x in lines if x["type"] == "RECORD"]

    return start


@pytest.mark.parametrize("failure", [500, 400])
def test_a_cursor_that_is_no_longer_known_gives_way_to_the_bookmark(server, run, failure):
    server.failure = failure
    entry = {
        "read_started_at": "2026-01-01T00:00:00.000000Z",
        "position": {"at": LOST, "more": {"next": "/a/d/api/case/v2/?cursor=old"}},
    }

    code, log, records = run("cases", entry)

    assert code == 0, log
    assert server.lost >= 1
    assert log.count("does not resume where the last run stopped") == 1
    assert {f"c{n}" for n in range(31, 60)} <= {record["record"]["case_id"] for record in records}


def test_a_page_of_locations_that_is_no_longer_known_gives_way_to_the_first_one(server, run):
    page = {"next": "/a/d/api/location/v1/?limit=3&offset=3", "seen": 3, "total": 5}
    place = {"api": "v1", "at": page}
    started = "2026-01-01T00:00:00.000000Z"

    code, log, records = run("locations", {"position": place, "read_started_at": started})

    assert code == 0, log
    assert log.count("does not resume where the last run stopped") == 1
    assert len({record["record"]["location_id"] for record in records}) == 5


def test_without_a_connection_no_cursor_is_dropped(server, run):
    place = {"at": LOST, "more": {"next": "/a/d/api/case/v2/?cursor=old"}}
    server.socket.close()

    code, log, _ = run("cases", {"position": place})

    assert code == 1
    assert "does not resume" not in log
