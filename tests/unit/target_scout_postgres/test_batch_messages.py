"""BATCH messages: files of any kind become the records in them, or nothing of them is loaded."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from target_scout_postgres.errors import DataError
from target_scout_postgres.singer import batch_messages
from target_scout_postgres.singer.batch_messages import BatchLines, record_lines

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECORD = st.dictionaries(TEXT, st.none() | st.integers(-(2**63), 2**64 - 1) | TEXT, max_size=4)
NUMBER = 7
"""The line of the BATCH."""


def batch(*manifest: str, **parts: Any) -> bytes:
    message = {"type": "BATCH", "stream": "people", "manifest": list(manifest)}
    encoding = {"format": "jsonl", "compression": parts.pop("compression", "none")}
    return msgspec.json.encode(message | {"encoding": encoding} | parts)


def load(*manifest: str, **parts: Any) -> list[BatchLines]:
    return list(record_lines(batch(*manifest, **parts), NUMBER))


def records(chunks: list[BatchLines]) -> list[Any]:
    return [json.loads(line)["record"] for chunk in chunks for line in chunk.lines if line]


def refusal(*manifest: str, **parts: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(*manifest, **parts)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], str]:
    def write(content: bytes, name: str = "batch.jsonl") -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(RECORD, max_size=6), is_packed=st.booleans(), is_ended=st.booleans())
def test_every_record_of_a_file_comes_back_in_its_order(file, rows, is_packed, is_ended):
    text = b"\n".join(msgspec.json.encode(row) for row in rows) + (b"\n" if is_ended else b"")
    address = file(gzip.compress(text) if is_packed else text)

    assert records(load(address, compression="gzip" if is_packed else None)) == rows


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n\n", []),
        (b'{"a":1}\n\n{"a":2}', [{"a": 1}, {"a": 2}]),
        (b'{"a":1}\r\n{"a":2}\r\n', [{"a": 1}, {"a": 2}]),
        (b' \t{"a":1} \n', [{"a": 1}]),
        (b'\xef\xbb\xbf{"a":1}\n', [{"a": 1}]),
        ('{"a":"\u2028"}\n'.encode(), [{"a": "\u2028"}]),
        (b"5\n[]\nnull", [5, [], None]),
    ],
    ids=[
        "empty", "empty lines", "an empty line", "carriage returns", "blanks",
        "byte order mark", "a line break inside", "not objects: the engine rejects those",
    ],
)  # fmt: skip
def test_a_line_is_a_record_whatever_surrounds_it(file, content, expected):
    assert records(load(file(content))) == expected


def test_a_record_line_has_stream_and_version_of_its_batch_and_its_own_bytes(file):
    address = file(b'{"n":1.10,"big":123456789012345678901234567890}')
    ((line,),) = (chunk.lines for chunk in load(address, version=1700000000000))

    assert line == (
        b'{"type":"RECORD","stream":"people","version":1700000000000,"record":'
        b'{"n":1.10,"big":123456789012345678901234567890}}'
    )


def test_files_of_a_manifest_follow_each_other_and_lines_keep_their_numbers(file, monkeypatch):
    monkeypatch.setattr(batch_messages, "CHUNK_LINES", 2)
    first = file(b"1\n2\n\n4\n5", "first")
    second = file(b"6", "second")
    chunks = load(first, second)

    assert records(chunks) == [1, 2, 4, 5, 6]
    assert [(chunk.first, len(chunk.lines)) for chunk in chunks] == [(1, 2), (3, 2), (5, 1), (1, 1)]
    # The engine counts the lines of a chunk from the one after the BATCH.
    assert chunks[1].describe(NUMBER + 2) == f"Line 4 of the batch file {first}"
    assert chunks[3].describe(NUMBER + 1) == f"Line 1 of the batch file {second}"


@pytest.mark.parametrize(("size", "count"), [(1, 50), (25, 17), (10_000, 1)])
def test_chunks_are_bounded_in_bytes(file, monkeypatch, size, count):
    monkeypatch.setattr(batch_messages, "CHUNK_BYTES", size)
    content = b"\n".join(b'{"v":"%d"}' % number for number in range(50))
    chunks = load(file(content))

    assert [r["v"] for r in records(chunks)] == [str(number) for number in range(50)]
    assert len(chunks) == count


NAMES = ["plain", "with space", "per%20cent", "50%", "é🌊", "hash#1", "question?", "a+b&c"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "address",
    [
        str,
        lambda path: f"file://{path}",
        lambda path: f"FILE://localhost{path}",
        lambda path: f"file://{quote(path)}",
        lambda path: f"file:{path}",
    ],
    ids=["path", "URL", "URL of localhost", "quoted URL", "URL without host"],
)
def test_a_file_is_found_under_its_path_and_its_urls(file, name, address):
    path = file(b'{"name":1}', name)

    assert records(load(address(path))) == [{"name": 1}]


def test_a_relative_path_may_follow_the_slashes_of_a_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "batch").write_bytes(b"1")

    for address in ("out/batch", "file://out/batch", "file:out/batch"):
        assert records(load(address)) == [1]


@pytest.mark.parametrize("address", ["s3://bucket/key", "https://example.org/x", "GS://b/k"])
def test_a_remote_file_is_refused_with_its_scheme(address):
    text = refusal(address)

    assert f"names a remote file ({address.partition(':')[0]})" in text
    assert "line 7" in text


PACKED = gzip.compress(b'{"a":1}\n' * 1000)
DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("content", "compression", "reason"),
    [
        (b'{"a":1}\nno JSON\n', None, "its line 2 is not JSON"),
        (b'{"a":1} {"a":2}\n', None, "its line 1 is not JSON"),
        (b'{"a":1},{"a":2}\n', None, "its line 1 is not JSON"),
        (b'{"a":1}\n{"a":\n1}\n', None, "its line 2 is not JSON"),
        (b'{"a":1}\n{"a":"\xff"}\n', None, None),
        (b"1\n" + DEEP + b"\n", None, "its line 2 is nested more than"),
        (PACKED[:-20], "gzip", "it is truncated"),
        (PACKED[:5], "gzip", "it is truncated"),
        (b"", "gzip", "it is truncated"),
        (b'{"a":1}\n', "gzip", "it is damaged, or not compressed by gzip"),
        (PACKED[:40] + b"\xff\xff\xff" + PACKED[43:], "gzip", "it is"),
        (PACKED, None, "its line 1 is not JSON"),
    ],
    ids=[
        "no JSON", "two values", "two values that join well", "a value of two lines",
        "not UTF-8: the engine rejects it", "deep", "truncated", "truncated header",
        "empty, packed", "not packed", "damaged", "packed, but said to be plain",
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_before_a_record_of_the_batch_is_loaded(
    file, content, compression, reason
):
    good = file(gzip.compress(b"1") if compression else b"1", "good")
    bad = file(content, "bad")
    loaded: list[BatchLines] = []
    if reason is None:
        assert len(load(good, bad)) == 2
        return
    with pytest.raises(DataError) as caught:
        loaded.extend(record_lines(batch(good, bad, compression=compression), NUMBER))

    assert f"The file {bad} of the BATCH in line 7 cannot be read: {reason}" in str(caught.value)
    assert loaded == []


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path, "No such file or directory"),
        (lambda path: path.mkdir() or path, "it is not a regular file"),
        (lambda path: os.mkfifo(path) or path, "it is not a regular file"),
        (lambda _: "a\x00b", "this is not a file name"),
        (lambda _: "x" * 5000, "File name too long"),
    ],
    ids=["missing", "a folder", "a named pipe", "NUL", "too long"],
)
def test_what_is_not_a_file_is_named_with_the_reason(tmp_path, make, reason):
    assert reason in refusal(str(make(tmp_path / "odd")))


def test_a_line_larger_than_any_value_is_refused(file, monkeypatch):
    monkeypatch.setattr(batch_messages, "MAX_LINE_BYTES", 1 << 20)
    bomb = gzip.compress(b'"' + b"x" * (3 << 20) + b'"')

    assert "it has a line of more than 1 MiB" in refusal(file(bomb), compression="gzip")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"type":"BATCH","stream":"s"}', "lacks its stream or manifest"),
        (b'{"type":"BATCH","manifest":[]}', "lacks its stream or manifest"),
        (b'{"type":"BATCH","stream":"s","manifest":[5]}', "lacks its stream or manifest"),
        (b'{"type":"BATCH","stream":"s","manifest":"x"}', "lacks its stream or manifest"),
        (
            b'{"type":"BATCH","stream":"s","manifest":[],"encoding":{"format":"parquet"}}',
            "has an unsupported encoding",
        ),
        (
            b'{"type":"BATCH","stream":"s","manifest":[],"encoding":{"compression":"zstd"}}',
            "has an unsupported encoding",
        ),
    ],
    ids=["no manifest", "no stream", "numbers", "a text", "format", "compression"],
)
def test_a_batch_of_another_shape_is_refused_with_its_line(line, text):
    with pytest.raises(DataError, match=f"BATCH in line {NUMBER} {text}"):
        list(record_lines(line, NUMBER))


def test_a_batch_without_files_is_no_record():
    assert load() == []
