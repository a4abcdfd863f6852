"""A small HTTP server that looks like Connect and can inject one fault.

Independent of the sandbox: a mistake made in both would go unnoticed.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

ROWS = {"user_data": 7, "user_visits": 12, "payment": 6}
OPPORTUNITIES = (1, 2, 3)
MOMENT = "2026-05-05T10:06:43.185000Z"


def rows_of(kind: str, opportunity: int) -> list[tuple[int, dict]]:
    """Return the rows of a list with their ids, which the API shows for visits only."""
    found = []
    for number in range(ROWS.get(kind, 0)):
        row_id = 10 * (number + 1) + opportunity
        row: dict[str, Any] = {
            "user_data": {"username": f"worker-{row_id}", "name": "", "claim_limits": []},
            "user_visits": {
                "id": row_id,
                "opportunity_id": opportunity,
                "username": f"worker-{row_id}",
                "visit_date": MOMENT,
                "form_json": {"id": str(row_id), "form": {"name": "Zoë\n🙂"}},
            },
            "payment": {
                "username": f"worker-{row_id // 20}",
                "created_at": MOMENT,
                "amount": "12.50",
            },
        }[kind]
        found.append((row_id, row))
    return found


@dataclass
class Reply:
    """A response before it is sent; a fault can change it."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    length: int | None = None
    """Content-Length; if it differs from the body's length, the body is truncated."""


@dataclass
class Asked:
    """A request, and its sequence number for its path."""

    path: str
    query: dict[str, str]
    count: int
    token: str
    origin: str


Spoil = Callable[[Asked, Reply], Reply]


def healthy(_asked: Asked, reply: Reply) -> Reply:
    """Change nothing."""
    return reply


class Lookalike(ThreadingHTTPServer):
    """Responds as Connect does, changed by the fault."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spoil: Spoil = healthy
        self.tokens = {"first"}
        self.refresh_token = "refresh-0"
        self.refreshes = 0
        self.counts: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: clients disconnect on purpose."""

    def reset(self, spoil: Spoil) -> None:
        self.spoil = spoil
        self.tokens = {"first"}
        self.counts.clear()

    def refresh(self, form: dict[str, str]) -> Reply:
        """Rotate both tokens; the old ones are revoked at once."""
        with self.lock:
            if form.get("refresh_token") != self.refresh_token:
                return Reply({"error": "invalid_grant"}, 400)
            self.refreshes += 1
            self.refresh_token = f"refresh-{self.refreshes}"
            self.tokens = {f"access-{self.refreshes}"}
            return Reply(
                {
                    "access_token": f"access-{self.refreshes}",
                    "refresh_token": self.refresh_token,
                    "expires_in": 1209600,
                }
            )

    def answer(self, asked: Asked) -> Reply:
        if asked.token not in self.tokens:
            detail = {"detail": "Authentication credentials were not provided."}
            return Reply(detail, 401, {"WWW-Authenticate": 'Bearer realm="api"'})
        if asked.path == "/export/opp_org_program_list/":
            return Reply({"organizations": [], "programs": [], "opportunities": listed()})
        match = re.fullmatch(r"/export/opportunity/(\d+)/(\w+)/", asked.path)
        if match is None:
            return Reply({"detail": "Not found."}, 404)
        return page(asked, int(match[1]), match[2])


def listed() -> list[dict]:
    """Return the list of opportunities."""
    return [
        {"id": o, "name": f"Opportunity {o}", "visit_count": ROWS["user_visits"], "program": 1}
        for o in OPPORTUNITIES
    ]


def page(asked: Asked, opportunity: int, kind: str) -> Reply:
    """Return the page of a list after an id."""
    after, size = int(asked.query.get("last_id", 0)), int(asked.query.get("page_size", 1000))
    left = [(row_id, row) for row_id, row in rows_of(kind, opportunity) if row_id > after]
    kept, following = left[:size], None
    if len(left) > size:
        query = asked.query | {"last_id": str(kept[-1][0]), "cursor_order": "forward"}
        following = f"{asked.origin}{asked.path}?{urlencode(query)}"
    return Reply({"next": following, "results": [row for _, row in kept]})


class Handler(BaseHTTPRequestHandler):
    """Reads a request and sends the response."""

    server: Lookalike
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        with self.server.lock:
            self.server.counts[parts.path] += 1
            count = self.server.counts[parts.path]
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = Asked(parts.path, query, count, token, self.server.url)
        self._send(self.server.spoil(asked, self.server.answer(asked)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        self._send(self.server.refresh(form))

    def _send(self, reply: Reply) -> None:
        self.server.methods[self.command] += 1
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(reply.length or len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if reply.length is not None:
            self.close_connection = True

    def log_message(self, *_args: Any) -> None:
        """Log nothing."""
