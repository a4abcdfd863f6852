"""Records per CPU second: this tap against the SDK's own implementation, on the same pages.

Both read the same response bodies from the sandbox and write the same messages to /dev/null:

    .venv/bin/python benchmarks/tap/cpu.py
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any, ClassVar

import requests
from commcare_sandbox import Sandbox
from singer_sdk import RESTStream, Tap
from tap_commcare.endpoints import cases_v2, forms
from tap_commcare.streams.cases import CasesStream
from tap_commcare.streams.forms import FormsStream
from tap_common.messages import RecordEncoder
from tap_common.stream import ApiStream

DOMAIN = "river-health"


def bodies(case_count: int, form_count: int) -> dict[str, bytes]:
    """Fetch one page of each stream."""
    with Sandbox(cases=case_count, forms=form_count) as server:
        headers = {"Authorization": f"ApiKey {server.username}:{server.api_key}"}
        base = f"{server.url}/a/{server.domain}/api"
        paths = {
            "cases": f"{base}/case/v2/?limit={case_count}",
            "forms": f"{base}/form/v1/?limit={form_count}&order_by=indexed_on&include_archived=1",
        }
        return {
            name: requests.get(url, headers=headers, timeout=60).content
            for name, url in paths.items()
        }


def schemas(stream: type[ApiStream]) -> dict[str, Any]:
    """Return the JSON schemas of a stream's columns."""
    return {name: column.schema for name, column in stream.columns.items()}


class Stock(RESTStream[Any]):
    """A stream as in the SDK's template: all fields mapped by the schema."""

    url_base = "http://127.0.0.1"
    path = "/"
    body = b""

    def get_records(self, context: Any) -> Iterator[dict[str, Any]]:
        del context
        response = requests.Response()
        response.raw = io.BytesIO(self.body)
        response.status_code = 200
        yield from self.parse_response(response)


class StockCases(Stock):
    name = "cases"
    records_jsonpath = "$.cases[*]"
    primary_keys = ("case_id",)
    schema: ClassVar = {"type": "object", "properties": schemas(CasesStream)}


class StockForms(Stock):
    name = "forms"
    records_jsonpath = "$.objects[*]"
    primary_keys = ("form_id",)
    schema: ClassVar = {"type": "object", "properties": schemas(FormsStream)}

    def post_process(self, row: dict[str, Any], context: Any = None) -> dict[str, Any]:
        del context
        meta = row.get("metadata") or {}
        return row | {
            "form_id": row["id"],
            "xmlns": row["form"].get("@xmlns"),
            "form_data": row["form"],
            "user_id": meta.get("userID"),
            "username": meta.get("username"),
            "time_start": meta.get("timeStart"),
            "time_end": meta.get("timeEnd"),
        }


class StockTap(Tap):
    name = "stock"

    def discover_streams(self) -> list[Stock]:
        return [StockCases(tap=self), StockForms(tap=self)]


def stock(name: str, body: bytes) -> Callable[[], None]:
    """Return a function that runs the SDK's implementation."""
    tap = StockTap(config={})
    stream = tap.streams[name]
    stream.body = body
    return stream.sync


def own(name: str, body: bytes) -> Callable[[], None]:
    """Return a run of this tap's way; forms include the walk for case ids."""
    encoder = RecordEncoder(name, None, None)

    def run() -> None:
        if name == "cases":
            records = [cases_v2.case_record(row, DOMAIN) for row in cases_v2.DECODE(body).cases]
        else:
            records = [forms.form_record(row, DOMAIN) for row in forms.DECODE(body).objects]
        for piece in encoder.encode(records):
            sys.stdout.buffer.write(piece)

    return run


def best_seconds(run: Callable[[], None], rounds: int) -> float:
    """Return the lowest CPU seconds of some rounds."""
    found = []
    with io.TextIOWrapper(open(os.devnull, "wb")) as nowhere, redirect_stdout(nowhere):  # noqa: PTH123 - closed by its wrapper
        for _ in range(rounds):
            began = time.process_time()
            run()
            found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    counts = {"cases": 5000, "forms": 1000}
    found = bodies(counts["cases"], counts["forms"])
    print("| page | bytes a record | SDK, records/s | tap-commcare, records/s | times |")
    print("|---|--:|--:|--:|--:|")
    for name, body in found.items():
        count = counts[name]
        theirs = count / best_seconds(stock(name, body), rounds)
        ours = count / best_seconds(own(name, body), rounds)
        size = len(body) / count
        print(f"| {name} | {size:.0f} | {theirs:,.0f} | {ours:,.0f} | {ours / theirs:.1f} |")


if __name__ == "__main__":
    main()
