"""Bodies are decoded exactly and completely, or not at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tap_common.errors import UnexpectedResponseError
from tap_common.json_decoder import JsonDecoder


class Row(msgspec.Struct):
    id: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class Page(msgspec.Struct):
    rows: list[Row]
    next: Any = None


READ = JsonDecoder(Page, "a list rows")


def test_numbers_keep_every_digit_and_objects_their_order():
    page = READ(b'{"rows":[{"id":"1","data":{"z":1.10,"a":12345678901234567890}}]}')

    assert bytes(page.rows[0].data) == b'{"z":1.10,"a":12345678901234567890}'


def test_a_pretty_printed_body_becomes_one_line():
    page = READ(b'\n{\n  "rows": [\r\n {"id": "1", "data": {"a":\n "x\\ny"}}\n]}\n')

    assert bytes(page.rows[0].data) == b'{"a":"x\\ny"}'


def test_lone_surrogates_and_nan_do_not_stop_a_page():
    page = READ(b'{"rows":[{"id":"1","data":{"a":"\\ud83d x","b":NaN}}]}')

    assert msgspec.json.decode(page.rows[0].data) == {"a": "\N{REPLACEMENT CHARACTER} x", "b": None}


@pytest.mark.parametrize("body", [b"{}", b'{"objects":[]}', b'{"rows":{}}', b'{"rows":[{"id":1}]}'])
def test_another_shape_is_distinguished_from_a_damaged_body(body):
    with pytest.raises(UnexpectedResponseError):
        READ(body)


@pytest.mark.parametrize("body", [b"", b'{"rows":[{"id":"1"', b"<html></html>", b'{"rows":[]} x'])
def test_a_damaged_body_is_not_json(body):
    with pytest.raises(msgspec.DecodeError):
        READ(body)


def test_text_that_is_not_utf_8_is_damaged_also_inside_raw_values():
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        READ(b'{"rows":[{"id":"1","data":{"a":"\xff"}}]}')
