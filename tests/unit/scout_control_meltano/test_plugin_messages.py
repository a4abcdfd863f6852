"""The line that says why a plugin failed, in whatever form it logs."""

from __future__ import annotations

import json

import pytest
from scout_control.meltano.plugin_messages import MAX_LINE, PluginMessages

TRACEBACK = """Traceback (most recent call last):
  File "/x/tap.py", line 3, in <module>
    read("Amina")
    ~~~~^^^^^^^^^
  File "/x/tap.py", line 2, in read
    raise ValueError("no such clinic")
ValueError: no such clinic
"""


def last(text):
    messages = PluginMessages()
    for line in text.splitlines():
        messages.read(line)
    return messages.last


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-11-28 10:00:00,123 | ERROR    | tap-x | no such host", "no such host"),
        ("2026-11-28 10:00:00,123 | ERROR    | tap-x.client | HTTP 500", "HTTP 500"),
        (
            "CRITICAL Missing required key 'token' in config",
            "Missing required key 'token' in config",
        ),
        ("ERROR:root:no such clinic", "no such clinic"),
        ("[2026-11-28 10:00:00] ERROR: it broke", "it broke"),
        ("10:00:00 - tap - FATAL - it broke", "it broke"),
        ("panic: runtime error: index out of range", "panic: runtime error: index out of range"),
        ("Error: it broke", "Error: it broke"),
        (
            "tap-x: error: unrecognized arguments: --test",
            "tap-x: error: unrecognized arguments: --test",
        ),
        ("it simply broke", "it simply broke"),
        (json.dumps({"level": "ERROR", "message": "it broke"}), "it broke"),
        (json.dumps({"levelname": "CRITICAL", "msg": "it broke\nhere"}), "it broke"),
        (json.dumps({"severity": "error", "event": "it broke"}), "it broke"),
        (json.dumps({"level": 50, "msg": "it broke"}), "it broke"),
        (TRACEBACK, "ValueError: no such clinic"),
        (
            TRACEBACK
            + "\nDuring handling of the above exception, another exception occurred:\n\n"
            + TRACEBACK.replace("no such", "one such"),
            "ValueError: one such clinic",
        ),
        (TRACEBACK + "sys:1: ResourceWarning: unclosed file\n", "ValueError: no such clinic"),
        ("ERROR it broke\nINFO cleaning up\nbye", "it broke"),
        ("INFO error rate is 0", None),
        ("INFO starting\nDEBUG reading", None),
        ("UserWarning: deprecated", None),
        ("", None),
        ("   indented", None),
        ('{"type": "RECORD", "stream": "x", "record": {"level": "error"}}', None),
        ('{"type": "RECORD", "level": "error", "message": "Amina"}', None),
        ('{"record": {"name": "Ami', None),
        (json.dumps({"level": "info", "message": "all good"}), None),
        (json.dumps({"level": "error", "message": {"name": "Amina"}}), None),
        (json.dumps({"level": 30, "msg": "all good"}), None),
        (json.dumps(["error"]), '["error"]'),
    ],
)
def test_the_last_error_line_is_found(said, expected):
    assert last(said) == expected


def test_what_is_kept_does_not_grow():
    messages = PluginMessages()
    for _ in range(1000):
        messages.read("x" * 1_000_000)

    assert len(messages.last or "") == MAX_LINE
