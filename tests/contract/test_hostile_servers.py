"""A hostile server costs a tap only bounded memory and time, and causes a clear error."""

from __future__ import annotations

import json
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.hostile import Attack, ByPath, bomb, drip, flood, head, says, serving
from support.measuring import run_measured

PROGRAMS = Path(sys.executable).parent
HASTY = {"request_timeout": 2, "max_retry_seconds": 0.1, "read_timeout": 60, "concurrency": 1}
LOGINS = {
    "tap-commcare": {"domain": "d", "username": "u", "api_key": "k"},
    "tap-commcare-connect": {"access_token": "t"},
}
TAPS = sorted(LOGINS)
MOST_KILOBYTES = 250_000
IN_CHUNKS = "Transfer-Encoding: chunked"


def run(tap: str, attack: Attack | None, folder: Path, by_path: ByPath | None = None, **config):
    """Run a tap on a hostile server; return exit code, log, and its largest size in kB."""
    with serving(attack, by_path) as url:
        path = folder / "config.json"
        path.write_text(json.dumps({"base_url": url, **LOGINS[tap], **HASTY, **config}))
        command = [str(PROGRAMS / tap), "--config", str(path)]
        with (folder / "log").open("wb") as log, (folder / "out").open("wb") as out:
            done, peak = run_measured(command, folder, stdout=out, stderr=log)
    return done.returncode, (folder / "log").read_text(), peak


def of_both(attacks: dict[str, Attack], *shared: str) -> list[tuple[str, str]]:
    """Return all attacks with one tap and some with the other: their requests are the same code."""
    return [(TAPS[1], name) for name in attacks] + [(TAPS[0], name) for name in shared]


def gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


SIZES: dict[str, Attack] = {
    "gzip": bomb("gzip", 31),
    "x-gzip": bomb("X-Gzip", 31),
    "deflate": bomb("deflate", 15),
    "deflate without a header": bomb("deflate", -15),
    "gzip twice": says(gzipped(gzipped(b" " * 10_000_000)), "Content-Encoding: gzip, gzip"),
    "an encoding that was not requested": says(b"x" * 1000, "Content-Encoding: br"),
    "an invalid encoding": says(b"{}", "Content-Encoding: \x7f\x01"),
    "gzip that holds nothing, for ever": flood(
        head("Content-Encoding: gzip") + gzipped(b"")[:10], b"\0\0\0\xff\xff" * 10_000
    ),
    "what follows gzip, for ever": flood(
        head("Content-Encoding: gzip") + gzipped(b"{}"), b" " * 60_000
    ),
    "chunks for ever": flood(head(IN_CHUNKS), b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "a body for ever": flood(head(), b" " * 65536),
    "a line of the head for ever": flood(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
    "lines of the head for ever": flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "an error's body": bomb("gzip", 31, status="404 Not Found"),
    "a refusal's body": bomb("gzip", 31, status="401 Unauthorized"),
    "a passing failure's body": bomb("gzip", 31, status="502 Bad Gateway"),
}


@pytest.mark.parametrize(("tap", "attack"), of_both(SIZES, "gzip", "a body for ever"))
def test_a_body_of_any_size_ends_in_an_error_and_bounded_memory(tap, attack, tmp_path):
    code, log, kilobytes = run(tap, SIZES[attack], tmp_path, request_timeout=20)

    assert code in {1, 65, 77}, log
    assert "Internal error" not in log
    assert "Traceback" not in log
    assert kilobytes < MOST_KILOBYTES * (2 if "for ever" in attack else 1)


def test_requests_at_the_same_time_are_bounded_together(tmp_path):
    attack = flood(head(), b" " * 65536)
    code, log, kilobytes = run("tap-commcare", attack, tmp_path, concurrency=4, request_timeout=60)

    assert code == 65, log
    assert kilobytes < 900_000


TIMES: dict[str, Attack] = {
    "a body": drip(head() + b"{"),
    "a body of known length": drip(head("Content-Length: 1000000") + b"{"),
    "a gzip body": drip(head("Content-Encoding: gzip") + gzipped(b"")[:10], b"\0\0\0\xff\xff"),
    "a chunk": drip(head(IN_CHUNKS) + b"fffff\r\n{"),
    "the size of a chunk": drip(head(IN_CHUNKS), b"0"),
    "what follows the last chunk": drip(head(IN_CHUNKS) + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "the status": drip(b"", b"H"),
    "the head": drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "answers before the answer": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an error's body": drip(head(status="404 Not Found")),
    "a throttled answer's body": drip(head("Retry-After: 1", status="429 Too Many Requests")),
}


def test_a_response_that_never_ends_is_given_up_after_request_timeout(tmp_path):
    """Bytes come more often than read_timeout would notice."""

    def outcome(case):
        tap, attack = case
        folder = tmp_path / f"{tap} {attack}"
        folder.mkdir()
        code, log, _ = run(tap, TIMES[attack], folder, max_rate_limit_wait=0.5)
        return code in {1, 75} and "Internal error" not in log, log

    cases = of_both(TIMES, "a body", "the head")
    with ThreadPoolExecutor(len(cases)) as pool:  # because they only wait
        outcomes = dict(zip(cases, pool.map(outcome, cases), strict=True))
    assert {case: log for case, (is_right, log) in outcomes.items() if not is_right} == {}


@pytest.mark.parametrize(
    ("tap", "attack"),
    [
        (TAPS[0], bomb("gzip", 31)),
        (TAPS[1], drip(head() + b"{")),
        (TAPS[1], says(b"[" * 100_000)),
    ],
)
def test_a_token_endpoint_is_bounded_alike(tap, attack, tmp_path):
    config = {
        "client_id": "c", "client_secret": "s", "refresh_token": "r", "access_token": None,
        "username": None, "api_key": None,
    }  # fmt: skip
    code, log, kilobytes = run(tap, attack, tmp_path, **config)

    assert code in {1, 65}, log
    assert "Internal error" not in log
    assert kilobytes < MOST_KILOBYTES


DEEP = b"[" * 100_000 + b"]" * 100_000
DIGITS = b"7" * 5000
VALUES: dict[str, bytes] = {
    "deep": DEEP,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "as deep as can be read": b"[" * 960 + b"]" * 960,
    "a large exponent": b"1e999999",
    "a larger exponent": b"1e999999999",
    "digits": DIGITS,
    "digits as text": b'"' + DIGITS + b'"',
    "no UTF-8": b'"\xff\xfe"',
    "half a character": b'"\\ud800"',
    "NaN": b"NaN",
    "the end of time": b'"9999-12-31T23:59:59-14:00"',
    "a list": b"[]",
}


def page(path: str, value: bytes) -> bytes:
    """Return a page of an API that contains a value; for users, the value itself."""
    rows = next((rows for part, rows in ROWS if part in path), b"[]").replace(b"%b", value)
    if rows == b"":
        return value
    if "/case/v2" in path:
        return b'{"matching_records":1,"next":null,"cases":%b}' % rows
    if "/export/opp" in path:
        return b'{"organizations":[],"programs":%b,"opportunities":%b}' % (rows, OPPORTUNITIES)
    if "/export/" in path:
        return b'{"next":null,"results":%b}' % rows if rows.startswith(b"[") else rows
    count = value if "group" in path else b"1"
    return b'{"meta":{"limit":1,"next":null,"total_count":%b},"objects":%b}' % (count, rows)


OPPORTUNITIES = b'[{"id":1,"name":"o"}]'
CASE = b'"domain":"d","indexed_on":"2024-01-01T00:00:00Z","indices":{}'
ROWS = (
    ("/case/v2", b'[{"case_id":"c","properties":%b,' + CASE + b"}]"),
    ("/form/", b'[{"id":"f","indexed_on":"2024-01-01T00:00:00Z","form":{"a":%b},"metadata":%b}]'),
    ("/user/", b""),
    ("/web-user/", b'[{"id":%b,"email":%b}]'),
    ("/group/", b"[]"),
    ("/location_type/", b'[{"id":%b,"code":%b}]'),
    ("/location/", b'[{"id":1,"location_id":"l","last_modified":%b,"latitude":%b}]'),
    ("/application/", b'[{"id":"a","modules":%b,"versions":%b}]'),
    ("/lookup_table/", b'[{"id":"t","fields":%b}]'),
    ("/lookup_table_item/", b'[{"id":"i","fields":%b}]'),
    ("/export/opp_org_program_list", b'[{"id":%b,"name":%b,"budget":%b}]'),
    ("/user_data/", b""),
    ("/user_visits/", b'[{"id":%b,"form_json":%b,"visit_date":%b}]'),
    ("/completed_works/", b'[{"username":%b,"payment_accrued":%b,"last_modified":%b}]'),
    ("/payment/", b'[{"username":"u","amount":%b,"date_paid":%b}]'),
    ("/invoice/", b'[{"invoice_number":%b,"amount":%b}]'),
    ("/opportunity/1/", b'{"id":1,"name":%b,"budget_per_visit":%b,"payment_units":%b}'),
)


@pytest.mark.parametrize("tap", TAPS)
@pytest.mark.parametrize("name", VALUES)
def test_odd_json_is_an_unexpected_response_and_never_an_internal_error(tap, name, tmp_path):
    """As a value in pages of every kind, and in place of one."""

    def answer(path):
        return says(page(path, VALUES[name]))

    code, log, kilobytes = run(tap, None, tmp_path, request_timeout=60, by_path=answer)

    assert code in {0, 1, 65}, log
    assert "Internal error" not in log
    assert "Traceback" not in log
    assert "users failed" in log
    assert kilobytes < MOST_KILOBYTES
