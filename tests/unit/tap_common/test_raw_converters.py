"""Values that are still JSON become values of records."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from tap_common import raw_converters as raw
from tap_common.omissions import UnreadableError

NOTHING = ["null", '""']


def said(convert, json: str):
    value = convert(msgspec.Raw(json.encode()))
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


@pytest.mark.parametrize(
    ("convert", "json", "value"),
    [
        (raw.text, '"Zainab \\"K\\"\\nKano"', 'Zainab "K"\nKano'),
        (raw.text, "5", "5"),
        (raw.text, "true", "true"),
        (raw.integer, "5", 5),
        (raw.integer, "-5", -5),
        (raw.integer, '"5"', 5),
        (raw.integer, "5.0", 5),
        (raw.integer, "123456789012345678901", 123456789012345678901),
        (raw.number, '"900.00"', Decimal("900.00")),
        (raw.number, "0.1", Decimal("0.1")),
        (raw.number, '"-12345678901234567.89"', Decimal("-12345678901234567.89")),
        (raw.boolean, "true", True),
        (raw.boolean, '"False"', False),
        (raw.timestamp, '"2026-05-05T10:06:43Z"', "2026-05-05T10:06:43Z"),
        (raw.timestamp, '"2026-05-05T10:06:43.185000Z"', "2026-05-05T10:06:43.185000Z"),
        (raw.timestamp, '"2026-05-05T12:06:43+02:00"', "2026-05-05T10:06:43.000000Z"),
        (raw.date, '"2026-05-05"', "2026-05-05"),
        (raw.date, '"2026-05-05T10:06:43Z"', "2026-05-05"),
        (raw.json, "[]", []),
        (raw.json, '{"a":""}', {"a": ""}),
        *((convert, json, None) for json in NOTHING for convert in (raw.text, raw.integer)),
        *((convert, json, None) for json in NOTHING for convert in (raw.number, raw.boolean)),
        *((convert, json, None) for json in NOTHING for convert in (raw.timestamp, raw.date)),
        *((raw.json, json, None) for json in NOTHING),
    ],
)
def test_a_value_is_what_the_api_says(convert, json, value):
    found = said(convert, json)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("convert", "json"),
    [
        (raw.integer, '"many"'),
        (raw.integer, "1.5"),
        (raw.integer, "true"),
        (raw.integer, "[1]"),
        (raw.number, '"a lot"'),
        (raw.number, '"NaN"'),
        (raw.boolean, "3"),
        (raw.timestamp, '"yesterday"'),
        (raw.timestamp, "5"),
        (raw.date, '"soon"'),
        (raw.key, "null"),
        (raw.key_integer, "null"),
    ],
)
def test_a_value_of_another_kind_is_refused_without_being_shown(convert, json):
    with pytest.raises(UnreadableError) as refused:
        said(convert, json)

    assert json.strip('"') not in str(refused.value) or json == "null"
