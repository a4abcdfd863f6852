"""The command line: options, files of settings and state, exit codes, and what is logged."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_common import cli
from tap_common.cli import TapCommand, escape_control_characters
from tap_common.errors import (
    ApiError,
    CredentialRefusedError,
    InterruptedRunError,
    SettingsError,
    UnexpectedResponseError,
)
from tap_common.signals import SignalHandler


class Tap:
    """A tap that notes what it is asked to do."""

    name = "tap-thing"
    made: list[Tap] = []  # noqa: RUF012 - emptied by each test
    failure: Exception | None = None

    def __init__(self, **options: Any) -> None:
        self.options, self.exit_code, self.done = options, 5, ""
        self.signals = SignalHandler()
        self.signals.install = lambda: None  # type: ignore[method-assign]  # of this test's process
        type(self).made.append(self)

    @classmethod
    def print_version(cls, *, print_fn: Any) -> None:
        print_fn("tap-thing v1")

    @classmethod
    def print_about(cls, output_format: str | None) -> None:
        click.echo(f"about {output_format}")

    def _do(self, what: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.done = what

    def run_discovery(self) -> None:
        self._do("discovery")

    def run_connection_test(self) -> None:
        self._do("test")

    def write_schemas(self) -> None:
        self._do("schemas")

    def sync_all(self) -> None:
        self._do("sync")


@pytest.fixture
def tap() -> type[Tap]:
    return type("Tap", (Tap,), {"made": []})


def run(tap: type[Tap], *arguments: str) -> int:
    """Run the command; return its exit code."""
    command = TapCommand(
        name=tap.name,
        params=cli._options(),
        callback=cli._callback(tap),  # type: ignore[arg-type]  # as much of a tap as is used
    )
    return cli._exit_code_of(
        lambda: click.Command.main(command, list(arguments), "tap-thing", standalone_mode=True)
    )


def written(folder: Path, content: object) -> str:
    path = folder / f"file-{len(list(folder.iterdir()))}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "done"),
    [
        ((), "sync"),
        (("--discover",), "discovery"),
        (("--test",), "test"),
        (("--test=all",), "test"),
        (("--test=schema",), "schemas"),
        (("--discover", "--test"), "discovery"),
    ],
    ids=str,
)
def test_each_option_does_one_thing_and_the_tap_says_how_it_ended(tap, arguments, done):
    assert run(tap, *arguments) == 5
    assert [made.done for made in tap.made] == [done]


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (("--version",), "tap-thing v1\n"),
        (("--about",), "about None\n"),
        (("--about", "--format", "JSON"), "about json\n"),
    ],
    ids=str,
)
def test_version_and_settings_are_printed_without_a_tap(tap, capsys, arguments, printed):
    assert run(tap, *arguments) == 0
    assert capsys.readouterr().out == printed
    assert tap.made == []


@pytest.mark.parametrize(
    "arguments", [("--unknown",), ("--test=some",), ("--format", "xml"), ("extra",)], ids=str
)
def test_wrong_usage_is_exit_code_2(tap, arguments):
    assert run(tap, *arguments) == 2
    assert tap.made == []


def test_files_of_settings_are_merged_in_order_and_the_environment_is_named(tap, tmp_path):
    first = written(tmp_path, {"a": 1, "b": 1})
    second = written(tmp_path, {"b": 2})
    run(tap, "--config", first, "--config", "ENV", "--config", second)
    (made,) = tap.made

    assert made.options["config"] == {"a": 1, "b": 2}
    assert made.options["parse_env_config"] is True
    assert made.options["validate_config"] is True


def test_discovery_without_settings_is_not_checked_and_takes_no_catalog(tap, tmp_path):
    catalog = written(tmp_path, {"streams": [{"tap_stream_id": "s", "schema": {}}]})
    run(tap, "--discover", "--catalog", catalog)
    (made,) = tap.made

    assert made.options["validate_config"] is False
    assert made.options["catalog"] is None
    assert made.options["setup_mapper"] is False


@pytest.mark.parametrize(
    ("content", "state"),
    [
        ({"bookmarks": {"s": {"id": 1}}}, {"bookmarks": {"s": {"id": 1}}}),
        ({"type": "STATE", "value": {"bookmarks": {}}}, {"bookmarks": {}}),
        ({"type": "STATE"}, {}),
        ({"type": "STATE", "value": None}, {}),
        (" \n", None),
        ("", None),
        ({}, {}),
        ('{"bookmarks":{"s":{"n":9223372036854775807}}}', {"bookmarks": {"s": {"n": None}}}),
        ('{"bookmarks":{"s":{"n":9007199254740993}}}', {"bookmarks": {"s": {"n": 2**53 + 1}}}),
        ('{"bookmarks":{"s":{"n":-1e400,"f":-0.5}}}', {"bookmarks": {"s": {"n": None, "f": -0.5}}}),
        ('{"bookmarks":{"s":{"n":NaN}}}', {"bookmarks": {"s": {"n": None}}}),
    ],
    ids=[
        "bare", "message", "message without value", "message of null", "blank", "empty", "nothing",
        "at the edge of 64 bits", "beyond the digits of a float", "infinite", "not a number",
    ],
)  # fmt: skip
def test_a_state_is_read_bare_or_as_a_message(tap, tmp_path, content, state):
    run(tap, "--state", written(tmp_path, content))

    assert tap.made[0].options["state"] == state


@pytest.mark.parametrize(
    "content",
    [
        {"bookmarks": []},
        {"bookmarks": {"s": 5}},
        {"bookmarks": {"s": None}},
        {"bookmarks": None},
        {"type": "STATE", "value": {"bookmarks": "x"}},
    ],
    ids=json.dumps,
)
def test_a_state_of_another_shape_is_refused_before_anything_starts(tap, tmp_path, content):
    assert run(tap, "--state", written(tmp_path, content)) == 2
    assert tap.made == []


FAILURES: list[tuple[Exception, int, str]] = [
    (ApiError("It broke.", "Mend it."), 1, "It broke. Mend it."),
    (SettingsError("It is wrong."), 2, "It is wrong."),
    (UnexpectedResponseError("It changed."), 65, "It changed."),
    (CredentialRefusedError("It is dead."), 77, "A person must reconnect"),
    (InterruptedRunError(15), 143, "event=interrupted exit_code=143"),
    (InterruptedRunError(2), 130, "event=interrupted exit_code=130"),
    (KeyError("a value of a record"), 1, "Internal error: KeyError at test_command.py:"),
]


@pytest.mark.parametrize(
    ("failure", "code", "logged"), FAILURES, ids=[f"{type(f[0]).__name__} {f[1]}" for f in FAILURES]
)
def test_a_failure_is_one_line_and_its_exit_code(tap, caplog, failure, code, logged):
    tap.failure = failure

    assert run(tap) == code
    assert logged in caplog.text
    assert "Traceback" not in caplog.text
    assert "value of a record" not in caplog.text


def test_an_interrupt_of_the_keyboard_has_the_code_of_its_signal():
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert cli._exit_code_of(interrupted) == 130


@pytest.mark.parametrize(
    ("code", "expected"), [(None, 0), (3, 3), ("a text", 1), (True, 1), (False, 0)]
)
def test_what_an_exit_carries_becomes_a_number(code, expected):
    def leave() -> None:
        raise SystemExit(code)

    assert cli._exit_code_of(leave) == expected


SAFE = st.characters(categories=["L", "N", "P", "S", "M"])


def logged(text: object) -> str:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,)})
    assert escape_control_characters(record)
    return record.getMessage()


@given(text=st.text())
def test_no_log_line_controls_a_terminal(text):
    shown = logged(text)

    assert cli.UNSAFE_CHARACTERS.search(shown) is None
    shown.encode()  # a lone surrogate would raise where the line is written
    assert "\n" not in shown


@given(text=st.text(SAFE))
def test_names_in_any_script_are_logged_as_they_are(text):
    assert logged(text) == text


@pytest.mark.parametrize("text", ["100 %", "%s %d", "{x}", "\\n"])
def test_a_text_that_looks_like_a_format_is_not_one(text):
    assert logged(text) == text


@pytest.mark.parametrize(
    ("level", "is_kept"), [("debug", True), ("WARNING", True), ("loud", False), ("", False)]
)
def test_a_level_that_does_not_exist_is_ignored(monkeypatch, tap, level, is_kept):
    monkeypatch.setenv("TAP_THING_LOGLEVEL", level)
    handlers, old = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        TapCommand.of(tap)
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(old)

    assert ("TAP_THING_LOGLEVEL" in os.environ) is is_kept
