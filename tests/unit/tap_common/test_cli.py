"""What the log of a tap says of what servers say."""

from __future__ import annotations

import io
import logging

from tap_common.cli import escape_control_characters


def test_names_and_reasons_of_servers_are_spelled_out():
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.addFilter(escape_control_characters)
    name = "\x1b]52;c;QUJD\x07\x9b2J\u202ex\rforged\n"
    handler.handle(logging.makeLogRecord({"msg": "%s: %d records", "args": (name, 3)}))

    assert said.getvalue() == "\\x1b]52;c;QUJD\\x07\\x9b2J\\u202ex\\rforged\\n: 3 records\n"
