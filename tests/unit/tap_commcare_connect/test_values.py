"""Values of Connect become values of records."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from tap_commcare_connect import values
from tap_common.converters import UnreadableError

NOTHING = ["null", '""']


def said(convert, json: str):
    value = convert(msgspec.Raw(json.encode()))
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


@pytest.mark.parametrize(
    ("convert", "json", "value"),
    [
        (values.text, '"Zainab \\"K\\"\\nKano"', 'Zainab "K"\nKano'),
        (values.text, "5", "5"),
        (values.text, "true", "true"),
        (values.integer, "5", 5),
        (values.integer, "-5", -5),
        (values.integer, '"5"', 5),
        (values.integer, "5.0", 5),
        (values.integer, "123456789012345678901", 123456789012345678901),
        (values.amount, '"900.00"', Decimal("900.00")),
        (values.amount, "0.1", Decimal("0.1")),
        (values.amount, '"-12345678901234567.89"', Decimal("-12345678901234567.89")),
        (values.flag, "true", True),
        (values.flag, '"False"', False),
        (values.moment, '"2026-05-05T10:06:43Z"', "2026-05-05T10:06:43Z"),
        (values.moment, '"2026-05-05T10:06:43.185000Z"', "2026-05-05T10:06:43.185000Z"),
        (values.moment, '"2026-05-05T12:06:43+02:00"', "2026-05-05T10:06:43.000000Z"),
        (values.day, '"2026-05-05"', "2026-05-05"),
        (values.day, '"2026-05-05T10:06:43Z"', "2026-05-05"),
        (values.anything, "[]", []),
        (values.anything, '{"a":""}', {"a": ""}),
        *((convert, json, None) for json in NOTHING for convert in (values.text, values.integer)),
        *((convert, json, None) for json in NOTHING for convert in (values.amount, values.flag)),
        *((convert, json, None) for json in NOTHING for convert in (values.moment, values.day)),
        *((values.anything, json, None) for json in NOTHING),
    ],
)
def test_a_value_is_what_the_api_says(convert, json, value):
    found = said(convert, json)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("convert", "json"),
    [
        (values.integer, '"many"'),
        (values.integer, "1.5"),
        (values.integer, "true"),
        (values.integer, "[1]"),
        (values.amount, '"a lot"'),
        (values.amount, '"NaN"'),
        (values.flag, "3"),
        (values.moment, '"yesterday"'),
        (values.moment, "5"),
        (values.day, '"soon"'),
        (values.key_text, "null"),
        (values.key_integer, "null"),
    ],
)
def test_a_value_of_another_kind_is_refused_without_being_shown(convert, json):
    with pytest.raises(UnreadableError) as refused:
        said(convert, json)

    assert json.strip('"') not in str(refused.value) or json == "null"
