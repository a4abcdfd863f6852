"""The fast path and the exact path encode every record alike.

SCOUT_TEST_LINES sets how many corrupt lines are tried.
"""

from __future__ import annotations

import json
import os
import random
import struct
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_scout_postgres.encoding import binary_copy
from target_scout_postgres.encoding.encoder import Encoder
from target_scout_postgres.encoding.layout import FIXED_WIDTH, ColumnMapping, Layout
from target_scout_postgres.errors import DataError, InvalidRecordError
from target_scout_postgres.singer.messages import (
    ABSENT,
    Message,
    decode,
    record_prefix,
    stream_schema,
)
from target_scout_postgres.singer.sanitizer import SURROGATES, sanitized

LINES = int(os.environ.get("SCOUT_TEST_LINES", "20000"))
PROPERTIES = {
    "id": {"type": "integer"},
    "text": {"type": ["string", "null"]},
    "must": {"type": "string"},
    "number": {"type": ["number", "null"]},
    "flag": {"type": ["boolean", "null"]},
    "moment": {"type": ["string", "null"], "format": "date-time"},
    "day": {"type": ["string", "null"], "format": "date"},
    "clock": {"type": ["string", "null"], "format": "time"},
    "uuid": {"type": ["string", "null"], "format": "uuid"},
    "json": {"type": ["object", "null"]},
    "other": {"type": ["integer", "null"]},
}
RECORD = {
    "id": 1,
    "text": 'näme\t\\"😀',
    "must": "there",
    "number": 12.5,
    "flag": True,
    "moment": "2020-02-29T10:11:12.345678Z",
    "day": "2020-02-29",
    "clock": "10:11:12",
    "uuid": "12345678-1234-5678-1234-567812345678",
    "json": {"a": [1, {"b": None}]},
    "other": None,
}
HEAD = b'{"type":"RECORD","stream":"t","record":'


def encoder_of(required=("id", "must")) -> Encoder:
    message = {
        "type": "SCHEMA",
        "stream": "t",
        "schema": {"properties": PROPERTIES, "required": list(required)},
        "key_properties": ["id"],
    }
    schema = stream_schema(decode(json.dumps(message).encode(), 1), 1)
    mappings = [ColumnMapping(part, part.name, part.type) for part in schema.properties]
    mappings.sort(key=lambda mapping: mapping.type not in FIXED_WIDTH)
    return Encoder(Layout(tuple(mappings), ("id",)))


@pytest.fixture(scope="module", params=["full first record", "sparse first record"])
def encoder(request) -> Encoder:
    made = encoder_of()
    first = RECORD if request.param.startswith("full") else {"id": 1, "must": ""}
    made.encode_exactly(msgspec.Raw(json.dumps(first).encode()), ABSENT, b"")
    assert made.encode_run is not None
    return made


def fast(encoder: Encoder, line: bytes):
    rows: dict = {}
    taken = encoder.encode_run([line], 0, 1, HEAD, None, rows, b"")
    assert taken == len(rows)
    return next(iter(rows.items()), None)


def exact(encoder: Encoder, line: bytes):
    try:
        message: Message = decode(line, 1)
        return encoder.encode_exactly(message.record, ABSENT, b"")
    except (InvalidRecordError, binary_copy.BigintOverflowError, DataError):
        return None


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


WRONG = st.sampled_from([None, 0, 1.5, "", "x", True, [], {}, 2**70, -(2**63), "2020-01-01"])


ANY_NAME = st.sampled_from(sorted(PROPERTIES))


@given(st.dictionaries(ANY_NAME, WRONG), st.sets(ANY_NAME))
def test_the_fast_path_takes_nothing_that_the_exact_path_rejects_or_encodes_differently(
    wrong, missing
):
    encoder = encoder_of()
    encoder.encode_exactly(msgspec.Raw(json.dumps(RECORD).encode()), ABSENT, b"")
    record = {name: part for name, part in (RECORD | wrong).items() if name not in missing}
    line = HEAD + json.dumps(record).encode() + b"}"
    quick = fast(encoder, line)

    assert quick is None or quick == exact(encoder, line)


def test_corrupt_lines_are_encoded_as_the_exact_path_does_or_not_at_all(encoder):
    rng = random.Random(5)
    whole = HEAD + json.dumps(RECORD, ensure_ascii=False).encode() + b"}"
    ascii_only = HEAD + json.dumps(RECORD).encode() + b"}"
    both = 0
    for _ in range(LINES):
        line = bytearray(rng.choice((whole, ascii_only)))
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(line))
            how = rng.randrange(4)
            if how == 0:
                line[at] = rng.randrange(256)
            elif how == 1:
                del line[at : at + rng.randrange(1, 20)]
            elif how == 2:
                line[at:at] = rng.choice(
                    [b"\\u0000", b"\\ud83d", b'"', b"{", b"1e9", b"\xff", b"-"]
                )
            else:
                line[at:at] = line[at : at + rng.randrange(1, 30)]
        text, _ = sanitized(bytes(line))
        quick, slow = fast(encoder, text), exact(encoder, text)
        if not is_utf8(text):  # the fast path does not decode properties outside the schema
            continue
        assert quick is None or quick == slow, text
        both += quick is not None
    assert both > LINES // 50


@given(st.lists(st.sampled_from(["\\", "\\u0000", "u0000", "a", "\\\\", '\\"', "\\ud83d\\ude00"])))
def test_nul_is_removed_exactly_where_it_is_an_escape_of_json(parts):
    text = '"' + "".join(parts) + '"'
    try:
        expected = json.loads(text)
    except ValueError:
        return
    expected = "".join("\ufffd" if "\ud800" <= part <= "\udfff" else part for part in expected)
    line, removed = sanitized(text.encode())

    assert json.loads(line) == expected.replace("\x00", "")
    assert removed == expected.count("\x00")


@given(st.text(st.sampled_from("a\ud83d\ude00\udc00\ud800é"), max_size=8))
def test_lone_surrogates_are_replaced_and_pairs_kept(text):
    encoded = json.dumps(text)
    line, _ = sanitized(encoded.encode())
    meant = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    assert json.loads(line).encode("utf-16", "surrogatepass").decode("utf-16") is not None
    assert "\ud800" not in json.loads(line)
    assert json.loads(line).count("😀") == meant.count("😀")
    assert SURROGATES.pattern


@pytest.mark.parametrize(
    ("line", "is_learnt"),
    [
        (b'{"type":"RECORD","stream":"t","record":{}}', True),
        (b'{"stream": "t", "type": "RECORD", "record": {}}', True),
        (b'{"type":"RECORD","record":{},"stream":"t"}', False),
        (b'{"type":"RECORD","stream":"t","version":1,"record":{}}', True),
        (b'{"type":"RECORD","stream":"t","time_extracted":"x","record":{}}', False),
        (b'{"type":"STATE","stream":"t","record":{}}', False),
        (b'{"type":"RECORD","stream":"other","record":{}}', False),
        (b'{"type":"RECORD","x":{"record":1},"stream":"t","record":{}}', False),
    ],
)
def test_the_beginning_of_a_line_is_learnt_only_if_it_identifies_type_and_stream(line, is_learnt):
    assert (record_prefix(line, "t") is not None) is is_learnt


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_numeric_fields_keep_the_digits_as_written(number):
    text = f"{number}".replace("E+", "e").lower().encode()
    if not binary_copy.NUMBER.match(text) or abs(number.adjusted()) > 10_000:
        return
    try:
        field = binary_copy.numeric(text)
    except InvalidRecordError:
        assert abs(number.adjusted()) > 1_000 or number.as_tuple().exponent < -16_000
        return
    _, count, weight, sign, scale = struct.unpack_from("!iHhHH", field)
    groups = struct.unpack_from(f"!{count}H", field, 12)
    value = sum(group * Fraction(10_000) ** (weight - n) for n, group in enumerate(groups))

    assert value == abs(Fraction(number))
    assert scale == max(0, -number.as_tuple().exponent)
    assert sign in (0, 0x4000)
