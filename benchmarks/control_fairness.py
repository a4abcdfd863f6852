"""How long 18 owners wait while one holds locks, one drips and one floods; and without the three.

One worker with two lanes. Real runs of Meltano against HTTP servers: the sandbox, one that sends a
byte a second, one whose pages never end. Adds its table to control/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg2
from scout_control.credentials import records
from scout_control.credentials.records import Owner
from scout_control.scheduler import maintenance
from scout_control.store import lookups
from sqlalchemy import text

from benchmarks.control.__main__ import RESULTS, add, project_without_dbt
from benchmarks.control.world import World, installed

QUIET, FLOOD = 18, 50
TITLE = "## Owners beside owners that hold, drip and flood\n"
HEAD = """{title}
{when} UTC. One command: `make bench ARGS=control_fairness`. One worker, {lanes} lanes, slices of
{minutes:g} minutes. The three are due first: "drips" is a source of one byte a second (and
{logins} logins at a token endpoint like it), "floods" is an owner with {flood} datasets and one
whose pages never end, "holds" is an idle transaction over a dataset that is to be dropped.

| what | without the three | with them |
|---|--:|--:|
"""


class Endless(BaseHTTPRequestHandler):
    """A list of groups that never ends."""

    def do_GET(self) -> None:
        at = int(parse_qs(urlsplit(self.path).query).get("offset", ["0"])[0])
        group = {"id": f"g-{at}", "name": "a", "domain": self.path.split("/")[2], "users": []}
        following = f"?limit=1&offset={at + 1}"
        meta = {"limit": 1, "offset": at, "total_count": 10**9, "next": following}
        body = json.dumps({"meta": meta, "objects": [group]}).encode()
        time.sleep(0.2)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # of a tap that was ended
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def endless() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@contextmanager
def dripping() -> Iterator[str]:
    """Serve answers of one byte a second, that never end."""
    is_over = threading.Event()

    def drip(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65_536)
            client.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"a": "')
            while not is_over.wait(1):
                client.sendall(b"a")

    def accept(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=[server.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=[server], daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        is_over.set()
        server.shutdown(socket.SHUT_RDWR)


def add_sources(world: World, project: str, count: int, url: str, **settings: object) -> list[str]:
    """Make datasets of one project, each of another source; return their paths."""
    scout = world.scout
    if project not in [each.id for each in scout.projects.list()]:
        scout.projects.create(project)
    login = {"username": world.sandbox.username, "api_key": world.sandbox.api_key}
    paths = []
    for _ in range(count):
        name = f"{project}-{len(scout.sources.list())}"
        config = {"domain": world.sandbox.domain, "datasets": ["groups"], **settings}
        scout.sources.add(name, "tap-commcare", base_url=url, config=config)
        scout.sources.link(project, name, mode="project")
        scout.credentials.save(name, "api_key", login, project=project)
        paths.append(scout.datasets.ensure(project, name).path)
    return paths


def add_slow_logins(world: World, url: str, count: int) -> None:
    """Let logins end soon whose token endpoint drips."""
    scout = world.scout
    scout.sources.add("slow", "tap-commcare-connect", base_url=url, client_id="c")
    kind = scout.installation.plugins.source_type("tap-commcare-connect")
    with scout.installation.store.begin() as session:
        source = lookups.source(session, "slow")
        for number in range(count):
            fields = {"access_token": "a", "refresh_token": f"r-{number}"}
            ends = datetime.now(UTC) + timedelta(minutes=30)
            owner = Owner(user_id=f"slow-{number}")
            facts = {"fields": fields, "token_expires_at": ends}
            keyring = scout.installation.keyring
            records.save(session, keyring, source, kind, owner, "oauth2", **facts)


def execute(world: World, statement: str, **values: object) -> None:
    with world.scout.installation.store.begin() as session:
        session.execute(text(statement), values)


def let_go(world: World, path: str) -> None:
    """Let a dataset be unused for long, and due never."""
    execute(
        world,
        "UPDATE scout_control.datasets SET next_sync_at = NULL,"
        " last_activity_at = now() - interval '3 days' WHERE id = :id",
        id=world.scout.datasets.show(path).id,
    )


def is_loaded(world: World, path: str) -> bool:
    return bool(world.scout.datasets.show(path).last_sync_at)


def is_dropped(world: World, path: str) -> bool:
    shown = world.scout.datasets.show(path)
    return shown.status == "expired" and shown.sync_error is None


def seconds_until(watched: dict[str, Callable[[], bool]], limit: float) -> dict[str, float]:
    """Return when each of these became so."""
    began, times = time.monotonic(), {}
    while len(times) < len(watched) and time.monotonic() - began < limit:
        for name, is_so in watched.items():
            if name not in times and is_so():
                times[name] = time.monotonic() - began
        time.sleep(0.5)
    return times


def measure(world: World, lanes: int, minutes: float, limit: float, *, with_three: bool) -> dict:
    """Let a worker do everything that is due; return when what was done."""
    prefix = "beside" if with_three else "alone"
    quiet = add(world, QUIET, prefix)
    execute(world, "UPDATE scout_control.datasets SET is_paused = true")
    for path in quiet:
        world.scout.datasets.pause(path, is_paused=False)
    [gone] = add(world, 1, f"{prefix}-gone")
    world.scout.run(gone)
    watched = {
        "the first": lambda: any(is_loaded(world, path) for path in quiet),
        "half": lambda: sum(is_loaded(world, path) for path in quiet) * 2 >= QUIET,
        "all": lambda: all(is_loaded(world, path) for path in quiet),
        "gone": lambda: is_dropped(world, gone),
    }
    with three(world) if with_three else nothing() as held:
        let_go(world, gone)
        if held:
            path, flood = held
            watched["held"] = lambda: is_dropped(world, path)
            watched["flood"] = lambda: all(is_loaded(world, each) for each in flood)
        maintenance.start_due(world.scout.installation, datetime.now(UTC))
        worker = world.start_worker(lanes, "--slice-minutes", str(minutes))
        try:
            return seconds_until(watched, limit)
        finally:
            worker.terminate()
            with suppress(subprocess.TimeoutExpired):
                worker.wait(90)
            worker.kill()


@contextmanager
def nothing() -> Iterator[None]:
    yield None


@contextmanager
def three(world: World) -> Iterator[tuple[str, list[str]]]:
    """Make the three owners that disturb, due before all others."""
    with dripping() as slow, endless() as long:
        drips = add_sources(world, "drips", 1, slow)
        pages = add_sources(world, "floods", 1, long, page_size=1)
        flood = add_sources(world, "floods", FLOOD, world.sandbox.url)
        add_slow_logins(world, slow, 40)
        for path in (*drips, *pages, *flood):
            execute(
                world,
                "UPDATE scout_control.datasets SET next_sync_at = now() - interval '1 day'"
                " WHERE id = :id",
                id=world.scout.datasets.show(path).id,
            )
        [held] = add_sources(world, "holds", 1, world.sandbox.url)
        schema = world.scout.run(held).schema
        with closing(psycopg2.connect(world.url)) as idle:
            idle.cursor().execute(f'SELECT count(*) FROM "{schema}".groups')
            let_go(world, held)
            yield held, flood


def main() -> int:
    """Measure both, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lanes", type=int, default=2)
    options.add_argument("--slice-minutes", type=float, default=1.0)
    options.add_argument("--limit", type=float, default=1800.0, help="seconds to wait at most")
    chosen = options.parse_args()
    with project_without_dbt() as project, installed(project, cases=4, forms=2) as world:
        ways = [
            measure(world, chosen.lanes, chosen.slice_minutes, chosen.limit, with_three=each)
            for each in (False, True)
        ]
    rows = {
        "the first of the 18 served after": "the first",
        "half of the 18": "half",
        "all 18": "all",
        "unused data of another owner dropped after": "gone",
        "held data dropped after (its readers have 60 s)": "held",
        f"all {FLOOD} datasets of the owner that floods, except the endless one": "flood",
    }
    told = [
        f"| {what} | " + " | ".join(_shown(each, name) for each in ways) + " |\n"
        for what, name in rows.items()
    ]
    head = HEAD.format(
        title=TITLE,
        when=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        lanes=chosen.lanes,
        minutes=chosen.slice_minutes,
        logins=40,
        flood=FLOOD,
    )
    table = head + "".join(told)
    sys.stdout.write(table)
    before = RESULTS.read_text().partition("\n" + TITLE)[0]
    RESULTS.write_text(f"{before.rstrip()}\n\n{table}")
    return 0


def _shown(times: dict[str, float], name: str) -> str:
    return f"{times[name]:.0f} s" if name in times else ""


if __name__ == "__main__":
    sys.exit(main())
