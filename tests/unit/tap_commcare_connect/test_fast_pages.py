"""Pages are decoded as a whole if all types match, else value by value: the same records."""

from __future__ import annotations

import json

import msgspec
import pytest
from commcare_sandbox.connect.data.store import ConnectStore, Sizes
from tap_commcare_connect.pagination.fast_pages import DECODE_RAW
from tap_commcare_connect.record_keys import DuplicateCounter
from tap_commcare_connect.tap import TapCommCareConnect
from tap_common.errors import UnexpectedResponseError
from tap_common.messages import ENCODER
from tap_common.omissions import OMISSIONS

LISTED = [stream for stream in TapCommCareConnect.stream_types if stream.path]
STORE = ConnectStore(3, Sizes(opportunities=1, visits=120))
VISIT = {"id": 7, "opportunity_id": 1, "visit_date": "2026-05-05T10:06:43Z", "form_json": {"a": 1}}


def page_of(*rows) -> bytes:
    return msgspec.json.encode({"next": None, "results": rows})


def shown(stream, rows) -> list[dict]:
    """Return records as a target reads them, with one spelling of timestamps."""
    maker = object.__new__(stream)
    duplicates = DuplicateCounter()
    lines = [ENCODER.encode(record) for record in maker.records(rows, 1, duplicates)]
    duplicates.close()
    return [json.loads(line.replace(b".000000Z", b"Z")) for line in lines]


def is_typed(stream, body: bytes) -> bool:
    return all(isinstance(row, msgspec.Struct) for row in stream.decode_page(body).results)


@pytest.mark.parametrize("stream", LISTED, ids=lambda stream: stream.name)
def test_both_ways_give_the_same_records_and_keys(stream):
    body = page_of(*(row for _, row in STORE.table(stream.path, 1).all_rows()))
    typed, loose = stream.decode_page(body).results, DECODE_RAW(body).results

    assert len(typed) > 0
    assert is_typed(stream, body)
    assert shown(stream, typed) == shown(stream, loose)
    assert list(shown(stream, typed)[0]) == list(stream.columns)


@pytest.mark.parametrize(
    ("column", "said", "value", "typed"),
    [
        ("username", "", None, True),
        ("form_json", "", None, True),
        ("form_json", None, None, True),
        ("flag_reason", {"flags": [["gps", "far"]]}, {"flags": [["gps", "far"]]}, True),
        ("visit_date", "2026-05-05T12:06:43+02:00", "2026-05-05T10:06:43Z", True),
        ("visit_date", "2026-05-05T10:06:43", "2026-05-05T10:06:43Z", True),
        ("visit_date", "", None, False),
        ("username", 5, "5", False),
        ("id", "7", 7, False),
        ("completed_work", 3.0, 3, False),
        ("completed_work", 2**70, 2**70, True),
        ("flagged", "True", True, False),
        ("opportunity_id", "1", 1, False),
        ("opportunity_id", None, 1, True),
        ("a_new_one", {"x": 1}, None, True),
    ],
)
def test_a_value_of_another_type_becomes_the_same_record(column, said, value, typed):
    stream = next(s for s in LISTED if s.name == "visits")
    body = page_of(VISIT | {column: said})

    assert is_typed(stream, body) == typed
    assert shown(stream, stream.decode_page(body).results)[0].get(column) == value


@pytest.mark.parametrize(
    ("stream", "row"),
    [
        ("visits", VISIT | {"opportunity_id": 2}),
        ("visits", VISIT | {"id": None}),
        ("visits", {"username": "a"}),
        ("invoices", {"invoice_number": ""}),
        ("payments", {"amount": "NaN"}),
        ("payments", {"amount": "Infinity"}),
        ("work_area_groups", {"id": 1, "opportunity": 2}),
    ],
)
def test_a_row_that_cannot_be_identified_is_an_error(stream, row):
    chosen = next(s for s in LISTED if s.name == stream)

    with pytest.raises(UnexpectedResponseError):
        shown(chosen, chosen.decode_page(page_of(row)).results)


def test_unreadable_values_are_null_and_unknown_properties_are_reported():
    stream = next(s for s in LISTED if s.name == "visits")
    OMISSIONS.reset(is_strict=False)
    plain = VISIT | {"new_property": 1}
    odd = VISIT | {"flagged": 3, "visit_date": "soon", "other\x1b[31m": None}

    for row in (plain, plain, odd):
        record = shown(stream, stream.decode_page(page_of(row)).results)[0]

    assert (record["flagged"], record["visit_date"]) == (None, None)
    assert list(OMISSIONS.summary()) == [
        "visits: values that could not be read are null: visit_date (1), flagged (1)",
        "visits: properties that have no column were left out: new_property (2), other?[31m (1)",
    ]


def test_an_unreadable_value_is_an_error_in_strict_mode():
    stream = next(s for s in LISTED if s.name == "visits")
    OMISSIONS.reset(is_strict=True)
    try:
        with pytest.raises(UnexpectedResponseError, match=r"visits\.flagged cannot be read"):
            shown(stream, stream.decode_page(page_of(VISIT | {"flagged": 3})).results)
    finally:
        OMISSIONS.reset(is_strict=False)
