"""The faults: how each changes a correct response."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from benchmarks.connect_faults.lookalike import Asked, Reply, Spoil

SECOND = "/opportunity/2/"


def at(part: str, spoil: Callable[[Asked, Reply], Reply], *, first: int | None = None) -> Spoil:
    """Apply a fault to paths that contain a text: always, or only the first ``count`` times."""

    def spoiled(asked: Asked, reply: Reply) -> Reply:
        is_hit = part in asked.path and (first is None or asked.count <= first)
        return spoil(asked, reply) if is_hit and reply.status == 200 else reply

    return spoiled


def status(code: int, retry_after: str | None = None, *, html: bool = False) -> Spoil:
    """Return a fault that responds with a status."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    body = b"<html><h1>Sorry</h1></html>" if html else {"detail": "No."}
    kind = "text/html" if html else "application/json"
    return lambda _asked, _reply: Reply(body, code, headers, kind)


def throttled_until(seconds: int) -> Spoil:
    """Return a fault: 429 with a date in Retry-After."""

    def spoil(_asked: Asked, _reply: Reply) -> Reply:
        timestamp = datetime.now(UTC) + timedelta(seconds=seconds)
        return Reply({}, 429, {"Retry-After": format_datetime(timestamp, usegmt=True)})

    return spoil


def changed(**values: Any) -> Spoil:
    """Return a fault that changes keys of the body; None removes a key."""

    def spoil(_asked: Asked, reply: Reply) -> Reply:
        body = reply.body | {k: v for k, v in values.items() if v is not None}
        return Reply({k: v for k, v in body.items() if k not in values or values[k] is not None})

    return spoil


def rows(make: Callable[[list[dict]], list]) -> Spoil:
    """Return a fault that changes the rows of a page."""
    return lambda _asked, reply: Reply(reply.body | {"results": make(reply.body["results"])})


def link(make: Callable[[str], str | None]) -> Spoil:
    """Return a fault that changes the link to the next page."""

    def spoil(_asked: Asked, reply: Reply) -> Reply:
        following = reply.body.get("next")
        return Reply(reply.body | {"next": following and make(following)})

    return spoil


def truncated(_asked: Asked, reply: Reply) -> Reply:
    """Send half a body with the full Content-Length."""
    body = json.dumps(reply.body).encode()
    return Reply(body[: len(body) // 2], length=len(body))


def half_json(_asked: Asked, reply: Reply) -> Reply:
    """Send half a body with a matching Content-Length."""
    body = json.dumps(reply.body).encode()
    return Reply(body[: len(body) // 2])


def compressed(_asked: Asked, reply: Reply) -> Reply:
    """Send gzip, as production's proxy does."""
    return Reply(gzip.compress(json.dumps(reply.body).encode()), 200, {"Content-Encoding": "gzip"})


def csv(_asked: Asked, _reply: Reply) -> Reply:
    """Send the CSV of API version 1."""
    body = b"id,username,form_json\r\n13,a,\"{'form': {'a': None}}\"\r\n"
    return Reply(body, kind="text/csv")


def moved(asked: Asked, _reply: Reply) -> Reply:
    """Redirect to another host."""
    return Reply(b"", 301, {"Location": f"https://evil.invalid{asked.path}"})


USERS, VISITS = "/opportunity/2/user_data/", "/opportunity/2/user_visits/"
FAULTS: tuple[tuple[str, Spoil], ...] = (
    ("429, Retry-After: 1", at("/user_data/", status(429, "1"), first=2)),
    ("429, Retry-After: 0.25", at("/user_data/", status(429, "0.25"), first=2)),
    ("429, Retry-After: an HTTP date", at("/user_data/", throttled_until(2), first=1)),
    ("429 without Retry-After", at("/user_data/", status(429), first=1)),
    ("429, Retry-After: soon (not a number)", at("/user_data/", status(429, "soon"), first=1)),
    ("503, Retry-After: 1", at("/user_data/", status(503, "1"), first=2)),
    ("429, Retry-After: 900, more than allowed", at("/user_data/", status(429, "900"))),
    ("500, then recovered", at("/user_data/", status(500, html=True), first=2)),
    ("502 of a proxy, then recovered", at("/user_data/", status(502, html=True), first=1)),
    ("truncated body, then recovered", at("/user_visits/", truncated, first=1)),
    ("half a JSON with status 200, then recovered", at("/user_visits/", half_json, first=1)),
    ("200 with HTML, then recovered", at("/user_visits/", status(200, html=True), first=1)),
    ("gzip", at("/export/", compressed)),
    ("permanent 500, one opportunity", at(SECOND, status(500, html=True))),
    ("404, one opportunity: the membership has ended", at(SECOND, status(404))),
    ("404 HTML, one list of one opportunity", at(USERS, status(404, html=True))),
    ("403, one opportunity", at(SECOND, status(403))),
    ("403 for all lists", at("/opportunity/", status(403))),
    ("permanent 401", lambda _a, _r: Reply({"detail": "No."}, 401)),
    ("permanently truncated body, one opportunity", at(SECOND, truncated)),
    ("permanent 200 with HTML, one opportunity", at(SECOND, status(200, html=True))),
    ("CSV of version 1 instead of JSON", at(USERS, csv)),
    ("redirect to another host", at(USERS, moved)),
    (
        "next with http:// and another host",
        at(
            "/export/",
            link(lambda n: "http://evil.invalid/" + urlsplit(n).path + "?" + urlsplit(n).query),
        ),
    ),
    ("next is a path", at("/export/", link(lambda n: urlsplit(n).path + "?" + urlsplit(n).query))),
    (
        "next leads back to the same page",
        at(
            VISITS,
            lambda a, r: Reply(
                r.body | {"next": f"{a.origin}{a.path}?last_id={a.query.get('last_id', 0)}"}
            ),
        ),
    ),
    ("next without last_id", at(VISITS, link(lambda n: n.split("?")[0]))),
    ("no key next", at(USERS, changed(next=None))),
    ("no key results", at(USERS, changed(results=None))),
    ("results is an object", at(USERS, changed(results={}))),
    ("a bare list", at(USERS, lambda _a, r: Reply(r.body["results"]))),
    (
        "rows of another opportunity",
        at(VISITS, rows(lambda found: [r | {"opportunity_id": 3} for r in found])),
    ),
    (
        "a visit without an id",
        at(VISITS, rows(lambda found: [{k: v for k, v in r.items() if k != "id"} for r in found])),
    ),
    (
        "a date that is not a date",
        at(VISITS, rows(lambda found: [r | {"visit_date": "soon"} for r in found])),
    ),
    (
        "an amount that is not a number",
        at("/2/payment/", rows(lambda found: [r | {"amount": "a lot"} for r in found])),
    ),
    (
        "a number instead of text, text instead of a number",
        at(VISITS, rows(lambda found: [r | {"id": str(r["id"]), "username": 5} for r in found])),
    ),
    (
        "empty text everywhere",
        at(
            VISITS,
            rows(
                lambda found: [
                    r | {"visit_date": "", "status": "", "flag_reason": ""} for r in found
                ]
            ),
        ),
    ),
    (
        "a new column",
        at("/export/opportunity/", rows(lambda found: [r | {"is_test": False} for r in found])),
    ),
    ("each row twice", at(VISITS, rows(lambda found: [r for r in found for _ in range(2)]))),
    ("no key opportunities in the account index", at("opp_org", changed(opportunities=None))),
    ("500 for the account index", at("opp_org", status(500, html=True))),
    (
        "an opportunity is no longer listed, and therefore not read",
        at("opp_org", lambda _a, r: Reply(r.body | {"opportunities": r.body["opportunities"][:2]})),
    ),
)
