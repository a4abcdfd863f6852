"""What the transports decide before a message is read."""

from __future__ import annotations

import os
import sys
import threading

import anyio
import pytest
from scout_control.access.identity import Identity
from scout_control.cli import mcp as command
from scout_control.errors import SettingsError
from scout_control.mcp.http import access_token, challenge, is_own
from scout_control.mcp.stdio import Lines
from scout_control.rules.permissions import Scope


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "127.0.0.1:8765", True),
        (None, None, True),
        ("http://127.0.0.1:8765", "127.0.0.1:8765", True),
        ("https://scout.example.org", "scout.example.org", True),
        ("http://127.0.0.1:9999", "127.0.0.1:8765", False),
        ("https://evil.example.org", "scout.example.org", False),
        ("https://scout.example.org.evil.example", "scout.example.org", False),
        ("https://user@scout.example.org", "scout.example.org", False),
        ("null", "127.0.0.1:8765", False),
        ("", "", False),
        ("", "127.0.0.1:8765", False),
        ("http://[", "127.0.0.1:8765", False),
    ],
)
def test_only_programs_and_pages_of_the_same_host_are_answered(origin, host, expected):
    assert is_own(origin, host) is expected


def test_a_request_without_a_token_is_not_told_that_its_token_is_invalid():
    described = 'resource_metadata="http://127.0.0.1/x"'
    none = {"type": "http", "headers": []}
    sent = {"type": "http", "headers": [(b"authorization", b"Bearer scout_canary")]}

    assert challenge(none, "http://127.0.0.1/x") == f"Bearer {described}"
    assert challenge(sent, "http://127.0.0.1/x") == f'Bearer error="invalid_token", {described}'


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        (Scope.READ, ["read"]),
        (Scope.WRITE, ["read", "write"]),
        (Scope.FULL, ["read", "write", "full"]),
    ],
)
def test_a_token_is_of_its_person_and_its_scope(scope, scopes):
    token = access_token("scout_canary", Identity(person="ann", scope=scope))

    assert (token.subject, token.client_id, token.scopes) == ("ann", "ann", scopes)


def _write(fd: int, sent: bytes) -> None:
    with os.fdopen(fd, "wb") as pipe:
        pipe.write(sent)


def lines_of(sent: bytes, *, is_file=False, folder=None, longest=10):
    """Return the lines that are read from a pipe or a file."""
    if is_file:
        (folder / "input").write_bytes(sent)
        fd = os.open(folder / "input", os.O_RDONLY)
    else:
        fd, writer = os.pipe()
        threading.Thread(target=_write, args=(writer, sent)).start()

    async def read():
        return [line async for line in Lines(fd, longest)]

    try:
        return anyio.run(read)
    finally:
        os.close(fd)


@pytest.mark.parametrize("is_file", [False, True])
def test_lines_are_read_from_pipes_and_files(is_file, tmp_path):
    sent = "one\nzwölf\n\nlast".encode()

    lines = lines_of(sent, is_file=is_file, folder=tmp_path)

    assert lines == ["one\n", "zwölf\n", "\n", "last\n"]


@pytest.mark.parametrize("length", [11, 200_000])
def test_a_line_that_is_too_long_is_left_out_and_the_next_one_is_read(length, caplog):
    lines = lines_of(b"one\n" + b"x" * length + b"\ntwo\n" + b"y" * length + b"\n")

    assert lines == ["one\n", "two\n"]
    assert caplog.messages == ["A message of more than 10 bytes was left out."] * 2


def test_a_line_that_is_too_long_at_the_end_is_left_out():
    assert lines_of(b"one\n" + b"x" * 11) == ["one\n"]


def test_bytes_that_are_no_text_become_a_mark():
    assert lines_of(b"\xff\n") == ["\ufffd\n"]


def test_without_the_package_the_command_says_how_to_install_it(monkeypatch):
    for name in [each for each in sys.modules if each.startswith(("scout_control.mcp.", "mcp."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)

    with pytest.raises(SettingsError) as raised:
        command.server()

    assert str(raised.value) == (
        "mcp is not installed. Install it: pip install 'scout-control[mcp]'"
    )
