"""What no agent should send to a tool: each answers with an envelope that says what is wrong."""

from __future__ import annotations

import anyio
import pytest
from scout_control.access.access import Access
from scout_control.access.identity import Identity
from scout_control.errors import SettingsError
from scout_control.mcp import resources
from scout_control.mcp.caller import Caller, Threads
from scout_control.mcp.server import call, known, protocol_error
from scout_control.mcp.tools import BY_NAME, TOOLS
from scout_control.rules.permissions import Scope

ODD = {
    "NUL": "a\0b",
    "half a pair": "\ud800",
    "control": "\x1b[31m",
    "direction": "\u202eriver",
    "space": "  ",
    "quotes": "'\"; DROP TABLE x --",
    "path": "../../etc/passwd",
    "slashes": "a/b/c/d",
    "percent": "%00%2e%2e",
    "id": "00000000-0000-0000-0000-000000000000",
    "braces": "{0}{dataset}",
    "long": "x" * 300,
    "longer": "x" * 301,
    "emoji": "\U0001f418" * 50,
}
REQUIRED = {"sql": "SELECT 1", "table": "things", "text": "name", "wait_seconds": 0}


@pytest.fixture(scope="module")
def access(shared_installation):
    scout = shared_installation.scout
    scout.projects.create("river")
    scout.people.add("ann")
    scout.members.add("river", "ann", role="admin")
    return Access(scout, Identity(person="ann", scope=Scope.WRITE))


@pytest.fixture(scope="module")
def answer(access):
    """Calls a tool as the server does."""

    def ask(tool, arguments):
        async def talk():
            return await call(tool, Caller(Threads(), lambda: access, None), arguments)

        return anyio.run(talk).model_dump(mode="json")

    return ask


def texts_of(tool):
    """Return the arguments of a tool that are texts."""
    properties = tool.listed.input_schema["properties"]
    return [
        name
        for name, each in properties.items()
        if "string" in {each.get("type"), *(part["type"] for part in each.get("anyOf", ()))}
    ]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_text_that_names_nothing_is_answered_with_what_is_wrong(answer, tool, kind):
    takes = tool.listed.input_schema["properties"]
    complete = {name: value for name, value in REQUIRED.items() if name in takes}
    complete |= {name: "river" for name in ("dataset", "run_id") if name in takes}
    for name in texts_of(tool):
        envelope = answer(tool, complete | {name: ODD[kind]})

        if envelope["success"]:
            assert tool.name in {"list_datasets", "search_columns"}
            assert not envelope["data"].get("datasets")
            assert not envelope["data"].get("columns")
            continue
        error = envelope["error"]
        assert error["code"] in {"NOT_FOUND", "VALIDATION_ERROR"}, (name, error)
        assert error["remedy"]
        assert len(str(error)) < 1500


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, "1" * 400, -1, 10**30])
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_an_argument_of_another_kind_is_named(answer, tool, value):
    for name in tool.listed.input_schema["properties"]:
        envelope = answer(tool, {"dataset": "none", name: value, "none": 1})

        assert envelope["error"]["code"] == "VALIDATION_ERROR"
        assert "none: " in envelope["error"]["message"]


@pytest.mark.parametrize(
    "uri",
    [
        *("scout://datasets/a%00b/dictionary", "scout://datasets/%ED%A0%80/dictionary"),
        *("scout://datasets/%2e%2e%2Fx/dictionary", "scout://datasets/none/tables/a%00"),
        *("scout://datasets//dictionary", "scout://datasets/a/b/dictionary", "file:///etc/passwd"),
        *("scout://datasets/none/dictionary?x=1", "scout://DATASETS/none/dictionary", ""),
        *("scout://datasets/" + "x" * 5000 + "/dictionary", "scout://datasets/%27--/dictionary"),
    ],
)
def test_an_address_of_nothing_is_an_error_of_the_caller(access, uri):
    with pytest.raises(Exception) as raised:  # noqa: PT011  whatever the server would see
        resources.read(access, uri)

    error = protocol_error(known(raised.value)).error
    assert error.data["code"] in {"NOT_FOUND", "VALIDATION_ERROR"}, raised.value


@pytest.mark.parametrize("cursor", ["", "x" * 5000, "'--", "9" * 400])
def test_a_cursor_that_no_page_had_is_the_beginning_or_the_end(access, cursor):
    assert resources.listed(access, cursor).resources == []


@pytest.mark.parametrize("cursor", ["a\0", "\ud800"])
def test_a_cursor_that_the_store_cannot_hold_is_an_error_of_the_caller(access, cursor):
    with pytest.raises(SettingsError, match="cursor is invalid"):
        resources.listed(access, cursor)


def test_a_search_for_nothing_finds_not_everything(answer):
    envelope = answer(BY_NAME["search_columns"], {"text": " \t "})

    assert envelope["error"]["code"] == "VALIDATION_ERROR"
    assert "text: " in envelope["error"]["message"]
