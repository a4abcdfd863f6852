"""A list of HQ needs a class with a path and columns, and nothing else."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from support.sync_tasks import TaskRunner
from tap_commcare.endpoints import lists
from tap_commcare.streams.base import DOMAIN, HQStream, ListStream
from tap_commcare.streams.locations import LocationsStream
from tap_commcare.sync_plan import SyncContext, tasks_for
from tap_commcare.tap import TapCommCare
from tap_common import columns
from tap_common.errors import UnexpectedResponseError
from tap_common.full_table import TableVersions
from tap_common.omissions import OMISSIONS
from tap_common.stream import declared_in

README = Path(__file__).parents[3] / "tap-commcare" / "README.md"
CONFIG = {"domain": "d", "username": "u", "api_key": "k"}


@pytest.fixture
def package(monkeypatch, tmp_path) -> ModuleType:
    """A package of streams with the example of the README."""
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    header = (
        "from tap_common import columns as c\n"
        "from tap_commcare.streams.base import DOMAIN, ListStream\n"
    )
    folder = tmp_path / "example_streams"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "fixtures.py").write_text(header + example)
    monkeypatch.syspath_prepend(str(tmp_path))
    import example_streams  # noqa: PLC0415 - made above

    yield example_streams
    for name in [name for name in sys.modules if name.startswith("example_streams")]:
        del sys.modules[name]


def test_the_example_of_the_readme_is_a_stream_that_is_read(package, monkeypatch, capsysbinary):
    (stream_type,) = declared_in(package, HQStream)
    monkeypatch.setattr(TapCommCare, "stream_types", (stream_type,))
    tap = TapCommCare(config=CONFIG)
    requested: list[str] = []

    class Client:
        base_url = "https://hq.example.org"

        def get(self, url: str, _params: Any, _domain: str, decode: Any) -> Any:
            requested.append(url)
            body = b'{"meta":{"total_count":1},"objects":[{"id":"f","fields":{"a":"b"}}]}'
            return type("Response", (), {"value": decode(body)})

    def task(bookmarks: Any) -> Any:
        versions = TableVersions(bookmarks, ["d"])
        context = SyncContext(Client(), dict(tap.config), versions, None, 1)
        (made,) = tasks_for(context, "d", list(tap.streams.values()))
        return made

    result = TaskRunner(capsysbinary, ("d",))({}, task)

    assert requested == ["https://hq.example.org/a/d/api/fixture/v1/?limit=1000"]
    assert result.records("fixtures") == [
        {"id": "f", "domain": "d", "fixture_type": None, "fields": {"a": "b"}}
    ]


class Things(ListStream):
    name = "things"
    key = ("id",)
    columns = {  # noqa: RUF012 - as streams declare them
        "id": columns.key("Id."),
        "domain": DOMAIN,
        "count": columns.integer("Count.", source="number"),
    }


def test_unreadable_values_and_unknown_properties_are_counted():
    OMISSIONS.reset(is_strict=False)
    row = {"id": 7, "number": "many", "domain": "d", "resource_uri": "/x/", "colour": "red"}

    assert list(Things.records([row], "d")) == [{"id": "7", "domain": "d", "count": None}]
    assert list(OMISSIONS.summary()) == [
        "things: values that could not be read are null: count (1)",
        "things: properties that have no column were left out: colour (1)",
    ]


def test_an_unreadable_value_is_an_error_in_strict_mode():
    OMISSIONS.reset(is_strict=True)
    try:
        with pytest.raises(UnexpectedResponseError, match=r"things\.count"):
            list(Things.records([{"id": 7, "number": "many"}], "d"))
    finally:
        OMISSIONS.reset(is_strict=False)


class ByCode(ListStream):
    name = "by_code"
    path = "thing/v1"
    key = ("code",)
    columns = {  # noqa: RUF012 - as streams declare them
        "code": replace(columns.key("Code."), source="thing_code"),
        "domain": DOMAIN,
        "id": columns.integer("Number that several rows share."),
    }


@pytest.mark.parametrize(
    ("stream", "row", "identity"),
    [
        (Things, {"id": 7, "location_id": "x"}, ("7",)),
        (LocationsStream, {"id": 7, "location_id": "x"}, ("x",)),
        (LocationsStream, {"location_id": "x"}, ("x",)),
        (ByCode, {"thing_code": "c", "id": 1}, ("c",)),
        (ByCode, {"code": "c"}, ("None",)),
        (ByCode, {"thing_code": ["not", {"hashable": 1}]}, ("['not', {'hashable': 1}]",)),
    ],
    ids=["id", "not the id", "v2 of locations", "another name", "missing", "unreadable"],
)
def test_the_declared_key_distinguishes_rows(stream, row, identity):
    assert stream.identity(row) == identity
    assert hash(stream.identity(row)) == hash(identity)


class Pages:
    """An API that answers with one page after the other, whatever is requested."""

    base_url = "https://hq.example.org"

    def __init__(self, *pages: list[dict[str, Any]], total: int) -> None:
        self.pages, self.total, self.requests = list(pages), total, 0

    def get(self, _url: str, _params: Any, _domain: str, decode: Any) -> Any:
        place = self.requests % len(self.pages)
        self.requests += 1
        link = f"?page={place + 1}" if place + 1 < len(self.pages) else None
        meta = {"total_count": self.total, "next": link}
        body = {"meta": meta, "objects": self.pages[place]}
        return type("Response", (), {"value": decode(msgspec.json.encode(body))})


def read_all(client: Pages, stream: type[ListStream]) -> list[str]:
    source: Any = lists.endpoint(client, "d", stream, 2)  # type: ignore[arg-type]  # its stand-in
    page = source.page(None)
    rows = [*page.rows]
    while page.next_position is not None:
        page = source.page(page.next_position)
        rows += page.rows
    return [row["thing_code"] for row in rows]


def test_a_list_without_an_id_is_read_once_if_no_row_comes_twice():
    a, b, c = ({"thing_code": code} for code in "abc")
    client = Pages([a, b], [c], total=3)

    assert read_all(client, ByCode) == ["a", "b", "c"]
    assert client.requests == 2


def test_a_list_without_an_id_is_read_again_if_a_row_comes_on_two_pages():
    a, b = {"thing_code": "a", "id": 1}, {"thing_code": "b", "id": 2}
    moved = {"thing_code": "a", "id": 3}
    client = Pages([a, b], [moved], total=3)

    assert read_all(client, ByCode) == ["a", "b", "a"] * 2
    assert client.requests == 4
