"""A stream is complete when dbt can read its table and the sandbox serves its list.

Streams are found as the taps find them, so that a new one needs all of this without being listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml
from commcare_sandbox.connect import routes as connect
from commcare_sandbox.hq import routes as hq
from tap_commcare.tap import TapCommCare
from tap_commcare_connect.tap import TapCommCareConnect

ROOT = Path(__file__).parents[2]
# Streams of Connect that are not a list below an opportunity, and the address they are read from.
NO_LIST = {
    "organizations": "opp_org_program_list",
    "programs": "opp_org_program_list",
    "opportunities": "opportunity/1",
    "payment_units": "opportunity/1",
    "learn_modules": "opportunity/1",
}


@dataclass(frozen=True)
class Dbt:
    """What dbt declares of one tap's streams."""

    name: str

    @property
    def folder(self) -> str:
        return f"transform/models/staging/{self.name}"

    @cached_property
    def tables(self) -> set[str]:
        (source,) = self._declared("sources")["sources"]
        return {table["name"] for table in source["tables"]}

    @cached_property
    def models(self) -> set[str]:
        return {model["name"] for model in self._declared("models")["models"]}

    def _declared(self, what: str) -> dict[str, Any]:
        path = ROOT / self.folder / f"_{self.name}__{what}.yml"
        declared: dict[str, Any] = yaml.safe_load(path.read_text())
        return declared

    def missing(self, stream: str) -> Iterator[str]:
        """Yield what a stream lacks, with the file to add it to."""
        model = f"stg_{self.name}__{stream}"
        if stream not in self.tables:
            yield f"a table {stream} in {self.folder}/_{self.name}__sources.yml"
        if model not in self.models:
            yield f"a model {model} in {self.folder}/_{self.name}__models.yml"
        if not (ROOT / self.folder / f"{model}.sql").is_file():
            yield f"{self.folder}/{model}.sql"


def missing_route(stream: str, path: str) -> Iterator[str]:
    """Yield the address of a stream of HQ if the sandbox does not serve it."""
    # The rows of a report are below its own id, not in a list.
    urls = (f"/a/river/api/{path}/", f"/a/river/api/{path}/1/")
    if not path or not any(r.pattern.fullmatch(url) for r in hq.ROUTES for url in urls):
        yield f"a route for {path or stream} in commcare_sandbox/hq/routes.py"


def missing_connect_route(stream: str, path: str) -> Iterator[str]:
    """Yield the address of a stream of Connect if the sandbox does not serve it."""
    address = f"opportunity/1/{path}" if path else NO_LIST.get(stream, "")
    url = f"/export/{address}/"
    if not address or not any(route.pattern.fullmatch(url) for route in connect.ROUTES):
        yield f"a route for {address or stream} in commcare_sandbox/connect/routes.py"


TAPS = (
    (TapCommCare, Dbt("commcare"), missing_route),
    (TapCommCareConnect, Dbt("connect"), missing_connect_route),
)
STREAMS = [
    pytest.param(stream, dbt, route, id=f"{tap.name} {stream.name}")
    for tap, dbt, route in TAPS
    for stream in tap.stream_types
]


@pytest.mark.parametrize(("stream", "dbt", "missing_in_sandbox"), STREAMS)
def test_a_stream_has_a_dbt_source_a_staging_model_and_a_route_of_the_sandbox(
    stream, dbt, missing_in_sandbox
):
    lacks = [*dbt.missing(stream.name), *missing_in_sandbox(stream.name, stream.path)]

    assert lacks == [], f"add for the stream {stream.name}: " + "; ".join(lacks)


@pytest.mark.parametrize(("tap", "dbt", "_"), TAPS, ids=[dbt.name for _, dbt, _ in TAPS])
def test_dbt_declares_no_table_that_no_stream_fills(tap, dbt, _):
    names = {stream.name for stream in tap.stream_types}

    assert dbt.tables == names
    assert dbt.models == {f"stg_{dbt.name}__{name}" for name in names}


@pytest.mark.parametrize(
    ("missing", "path", "named"),
    [
        (missing_route, "fixture_types/v1", "fixture_types/v1"),
        (missing_route, "case/v9", "case/v9"),
        (missing_route, "", "things"),
        (missing_connect_route, "user_dates", "opportunity/1/user_dates"),
        (missing_connect_route, "", "things"),
    ],
    ids=["unknown list", "unknown version", "no path", "unknown list of Connect", "no exception"],
)
def test_a_stream_that_the_sandbox_does_not_serve_is_named(missing, path, named):
    (text,) = missing("things", path)

    assert text.startswith(f"a route for {named} in commcare_sandbox/")


def test_what_dbt_lacks_of_a_stream_is_named_with_its_file():
    assert list(Dbt("connect").missing("things")) == [
        "a table things in transform/models/staging/connect/_connect__sources.yml",
        "a model stg_connect__things in transform/models/staging/connect/_connect__models.yml",
        "transform/models/staging/connect/stg_connect__things.sql",
    ]


def test_every_exception_is_a_stream_without_a_list():
    streams = {stream.name: stream.path for stream in TapCommCareConnect.stream_types}

    assert {name for name, path in streams.items() if not path} == set(NO_LIST)
