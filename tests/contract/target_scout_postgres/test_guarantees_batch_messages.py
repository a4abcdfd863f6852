"""BATCH messages are loaded exactly; a broken one ends the run with 65, and loads nothing."""

from __future__ import annotations

import gzip
import json
import os
from urllib.parse import quote

import pytest


def batch(*addresses, stream="t", compression=None, **more):
    encoding = {"format": "jsonl"} | ({"compression": compression} if compression else {})
    manifest = [str(address) for address in addresses]
    return {"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": manifest, **more}


def rows(*numbers):
    return "".join(json.dumps({"id": n}) + "\n" for n in numbers).encode()


@pytest.fixture
def stream(make):
    return make.schema("t", {"id": "integer"}, ["id"])


ODD_NAMES = ["a#1.jsonl", "a?b=c.jsonl", "100%.jsonl", "a%20b.jsonl", "a b+c&d.jsonl", "ü:é.jsonl"]


def test_files_are_found_by_path_and_url_whatever_their_names(
    target, make, stream, query, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    addresses = []
    for name in ODD_NAMES:
        for form in (
            str,
            lambda path: str(path.relative_to(tmp_path)),
            lambda path: f"file://{path}",  # as written by taps that do not encode it
            lambda path: path.as_uri(),
            lambda path: f"file://localhost{quote(str(path))}",
            lambda path: f"FILE:{path}",
            lambda path: f"file://{path.relative_to(tmp_path)}",
            lambda path: f"./sub/../{path.relative_to(tmp_path)}",
        ):
            number = len(addresses)
            path = tmp_path / "sub" / f"{number}-{name}"
            path.write_bytes(rows(number))
            addresses.append(form(path))
    (tmp_path / "alone.jsonl").write_bytes(rows(len(addresses)))
    addresses.append("file://alone.jsonl")
    target.load(stream, batch(*addresses), make.state({"a": 1}))

    found = {number for (number,) in query("SELECT id FROM {s}.t")}
    missing = set(range(len(addresses))) - found
    assert [addresses[number] for number in missing] == []


GOOD = {
    "a byte order mark": (None, b"\xef\xbb\xbf" + rows(1, 2)),
    "empty lines": (None, b"\n  \n" + rows(1) + b"\r\n\t\n" + rows(2) + b"\n\n"),
    "no line feed at the end": ("none", rows(1, 2).rstrip()),
    "carriage returns": (None, rows(1, 2).replace(b"\n", b"\r\n")),
    "several members of gzip": ("gzip", gzip.compress(rows(1)) + gzip.compress(rows(2))),
    "a byte order mark inside gzip": ("gzip", gzip.compress(b"\xef\xbb\xbf" + rows(1, 2))),
}


def test_what_writers_of_batch_files_do_is_read(target, make, query, tmp_path):
    messages = []
    for number, (compression, content) in enumerate(GOOD.values()):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(content)
        messages += [make.schema(f"t{number}", {"id": "integer"}, ["id"])]
        messages += [batch(path, stream=f"t{number}", compression=compression)]
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    target.load(*messages, batch(empty, stream="t0"), batch(stream="t0"), make.state({"a": 1}))

    for number, name in enumerate(GOOD):
        assert query(f"SELECT id FROM {{s}}.t{number} ORDER BY id") == [(1,), (2,)], name


MANY = gzip.compress(rows(*range(5000)))
BROKEN = {
    "a line that is no JSON": (None, rows(1) + b"{'id': 2}\n", "line 2 is not JSON"),
    "two values on a line": (None, b'{"id":1}{"id":2}\n', "line 1 is not JSON"),
    "a line that closes the record": (None, b'{"id":1},"type":"STATE","value":{}\n', "not JSON"),
    "a line that opens another": (None, b'{"id":1},"record":{"id":2}\n', "line 1 is not JSON"),
    "lines that are whole only together": (
        None,
        b'{"id":1\n"id":2}\n{"id":3},{"id":4}\n',
        "line 1 is not JSON",
    ),
    "a cut line": (None, rows(1) + b'{"id":', "line 2 is not JSON"),
    "NaN": (None, b"\n\n" + b'{"id":NaN}\n', "line 3 is not JSON"),
    "deep": (None, b'{"id":' + b"[" * 9000 + b"]" * 9000 + b"}\n", "more than 5000 levels"),
    "UTF-16": (None, rows(1).decode().encode("utf-16"), "line 1 is not JSON"),
    "undeclared gzip": (None, gzip.compress(rows(1)), "line 1 is not JSON"),
    "no gzip": ("gzip", rows(1), "not compressed by gzip"),
    "empty gzip": ("gzip", b"", "truncated"),
    "cut gzip": ("gzip", MANY[:-20], "truncated"),
    "damaged gzip": ("gzip", MANY[:2000] + b"xxxxxx" + MANY[2006:], ""),
    "a wrong checksum": ("gzip", MANY[:-8] + b"xxxx" + MANY[-4:], "damaged"),
    "garbage behind gzip": ("gzip", gzip.compress(rows(1)) + b"garbage", "damaged"),
}


WAYS = {
    "key": (["id"], {}, [*BROKEN]),
    "no key": ([], {}, [*BROKEN][::4]),
    "maps": (["id"], {"stream_maps": {"t": {"more": "id"}}}, [*BROKEN][1::5]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_file_is_named_and_nothing_of_its_batch_is_loaded(
    target, make, query, tmp_path, way
):
    key, settings, names = WAYS[way]
    stream = make.schema("t", {"id": "integer"}, key)
    for name in names:
        compression, content, why = BROKEN[name]
        good, bad = tmp_path / "good.jsonl", tmp_path / "the second.jsonl"
        good.write_bytes(gzip.compress(rows(8, 9)) if compression else rows(8, 9))
        bad.write_bytes(content)
        message = batch(good, bad, good, compression=compression)
        result = target.run(
            stream, make.record("t", {"id": 0}), make.state({"a": 1}), message, **settings
        )

        assert result.code == 65, (name, result.log)
        assert "the second.jsonl" in result.log, name
        assert why in result.log, (name, result.log)
        assert result.states == [{"a": 1}]
        assert set(query("SELECT id FROM {s}.t")) == {(0,)}, name


def test_what_is_not_a_local_file_is_named(target, make, stream, query, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    good = tmp_path / "good.jsonl"
    good.write_bytes(rows(1))
    wrong = {
        tmp_path / "missing.jsonl": "missing.jsonl",
        "file:///missing%20too.jsonl": "missing%20too.jsonl",
        tmp_path: str(tmp_path),
        tmp_path / "pipe": "pipe",
        "file:a%00b": "a%00b",
        "x" * 5000: "xxxxx",
        "s3://key:secret@bucket/part.jsonl": "s3",
        "https://example.org/part.jsonl": "https",
    }
    for address, named in wrong.items():
        result = target.run(stream, batch(good, address), make.state({"a": 1}))
        assert (result.code, result.states) == (65, []), (address, result.log)
        assert named in result.log, result.log
        assert "secret" not in result.log
    for encoding in (
        {"compression": "zstd"},
        {"compression": ""},
        {"format": "parquet"},
        {"format": "csv", "compression": "gzip"},
    ):
        result = target.run(stream, batch(good) | {"encoding": {"format": "jsonl"} | encoding})
        assert (result.code, "encoding" in result.log) == (65, True)
    assert query("SELECT to_regclass('{s}.t')") == [(None,)]


def test_a_rejected_record_of_a_file_is_reported_with_its_line_there(
    target, make, stream, query, tmp_path
):
    path = tmp_path / "part.jsonl"
    path.write_bytes(rows(1) + b'\n{"id":"x"}\n[1]\nnull\n{"id":null}\n{}\n' + rows(2))
    messages = [stream, make.record("t", {"id": 0}), batch(path), make.record("t", {"id": "y"})]
    rejected = target.run(*messages)
    target.load(*messages, make.state({"a": 1}), on_invalid_record="reject")

    assert rejected.code == 65
    assert f"Line 3 of the batch file {path}" in rejected.log
    assert query("SELECT id FROM {s}.t ORDER BY id") == [(0,), (1,), (2,)]
    kept = query("SELECT line, reason FROM {s}._scout_rejects ORDER BY line, reason")
    assert [line for line, _ in kept] == [3, 3, 3, 3, 3, 4]
    for n, (_, reason) in enumerate(sorted(kept[:-1], key=lambda one: one[1][-60:])):
        assert f"{path})" in reason, n


def test_records_of_a_file_belong_to_the_version_of_their_message(target, make, query, tmp_path):
    stream = make.schema("t", {"id": "integer"}, ["id"])
    (tmp_path / "a.jsonl").write_bytes(rows(1, 2))
    (tmp_path / "b.jsonl").write_bytes(rows(2, 3))
    for version, name in ((1, "a"), (2, "b")):
        message = batch(tmp_path / f"{name}.jsonl", version=version)
        target.load(stream, message, make.activate("t", version), make.state({"v": version}))

    assert query("SELECT id FROM {s}.t ORDER BY id") == [(2,), (3,)]
