"""Guarantee 9 and the exit codes: bad settings, bad lines, records that do not fit."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]

SECRET_VALUE = "a-patients-name"
COMPLETE = {"default_target_schema": "x", "host": "h", "database": "d"}


@pytest.fixture
def people(make):
    return make.schema(
        "people",
        {"id": {"type": "string"}, "age": {"type": ["integer", "null"]}, "name": "string"},
        ["id"],
        required=["id"],
    )


def assert_rejected(result, code, *words):
    assert result.code == code, result.log
    for word in words:
        assert word in result.log
    assert "Traceback" not in result.log
    assert SECRET_VALUE not in result.log


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (COMPLETE | {"port": "no"}, "port"),
        ({"default_target_schema": "x", "database_url": "nonsense://"}, "database_url"),
        ({"default_target_schema": "x", "database_url": "postgresql://h/d?nope=1"}, "database_url"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_in_one_line_and_exits_2(tmp_path, config, named):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config | {"password": SECRET_VALUE}))
    done = subprocess.run(
        [*COMMAND, "--config", str(path)], input=b"", capture_output=True, check=False
    )

    log = done.stderr.decode()
    assert done.returncode == 2, log
    assert named in log
    assert len(log.splitlines()) == 1
    assert SECRET_VALUE not in log


def test_a_config_file_that_is_missing_or_no_json_exits_2(tmp_path):
    (tmp_path / "broken.json").write_text("{" + SECRET_VALUE)
    for name in ("missing.json", "broken.json"):
        done = subprocess.run(
            [*COMMAND, "--config", str(tmp_path / name)],
            input=b"",
            capture_output=True,
            check=False,
        )
        assert done.returncode == 2
        assert name in done.stderr.decode()
        assert SECRET_VALUE not in done.stderr.decode()


def test_settings_come_from_several_files_and_the_environment(
    target, make, people, query, tmp_path, monkeypatch
):
    (tmp_path / "a.json").write_text(json.dumps({"default_target_schema": "other"}))
    (tmp_path / "b.json").write_text(json.dumps({"default_target_schema": target.schema}))
    monkeypatch.setenv("TARGET_SCOUT_POSTGRES_DATABASE_URL", target.url)
    monkeypatch.setenv("TARGET_SCOUT_POSTGRES_BATCH_SIZE_ROWS", "7")
    arguments = ["--config", str(tmp_path / "a.json"), "--config", str(tmp_path / "b.json")]
    for more in ([], ["--config", "ENV"]):
        done = subprocess.run(
            [*COMMAND, *arguments, *more],
            input=json.dumps(people).encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()

    assert query("SELECT count(*) FROM {s}.people") == [(0,)]


@pytest.mark.parametrize(
    "line",
    [
        f'{{"type":"RECORD","{SECRET_VALUE}',
        b'{"type":"RECORD","stream":"people","record":{"id":"\xff"}}'.decode("latin-1"),
        b'{"type":"STATE","value":"\xff"}'.decode("latin-1"),
    ],
)
def test_a_malformed_line_exits_65_and_is_named_by_its_number(target, make, people, query, line):
    whole = "\n".join([json.dumps(people), json.dumps(make.record("people", {"id": "a"}))])
    text = (
        f"{whole}\n{json.dumps(make.state({'n': 1}))}\n".encode() + line.encode("latin-1") + b"\n"
    )
    result = target.run(text)

    assert_rejected(result, 65, "ine 4" if "\xff" not in line else "4")
    assert result.states == [{"n": 1}]
    assert query("SELECT id FROM {s}.people") == [("a",)]


def test_an_input_that_is_cut_off_exits_65_after_keeping_what_came_before(
    target, make, people, query
):
    text = "\n".join(map(json.dumps, [people, make.record("people", {"id": "a"}), make.state(1)]))
    result = target.run(f'{text}\n{{"type":"RECORD","stream":"peo'.encode())

    assert_rejected(result, 65, "4")
    assert result.states == [1]
    assert query("SELECT id FROM {s}.people") == [("a",)]


def test_a_last_line_without_newline_counts(target, make, people, query):
    text = "\n".join(map(json.dumps, [people, make.record("people", {"id": "a"})]))
    assert target.run(text.encode()).code == 0
    assert query("SELECT id FROM {s}.people") == [("a",)]


def test_a_record_before_its_schema_exits_65(target, make):
    assert_rejected(target.run(make.record("ghosts", {"id": SECRET_VALUE})), 65, "ghosts", "SCHEMA")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"name": SECRET_VALUE}, "id"),
        ({"id": None, "name": SECRET_VALUE}, "id"),
        ({"id": "a", "age": SECRET_VALUE}, "age"),
        ({"id": "a", "age": 1.5}, "age"),
        ({"id": "a", "age": True}, "age"),
        ({"id": "a", "name": 5}, "name"),
        ({"id": 7}, "id"),
    ],
)
def test_a_record_that_does_not_fit_exits_65_and_names_the_property(
    target, make, people, query, values, named
):
    good = make.record("people", {"id": "good"})
    result = target.run(people, good, make.state({"n": 1}), make.record("people", values))

    assert_rejected(result, 65, "people", named, "Line 4")
    assert result.states == [{"n": 1}]
    assert query("SELECT id FROM {s}.people") == [("good",)]
    assert query("SELECT status FROM {s}._scout_loads") == [("failed",)]


@pytest.mark.parametrize("values", [{"id": "a"}, {"id": "a", "day": None}])
def test_a_record_that_lacks_a_required_property_exits_65(target, make, query, values):
    properties = {"id": {"type": "string"}, "day": {"type": "string"}}
    stream = make.schema("visits", properties, ["id"], required=["day"])
    good = make.record("visits", {"id": "good", "day": "1"})

    result = target.run(stream, good, make.state({"n": 1}), make.record("visits", values))

    assert_rejected(result, 65, "visits", "day", "Line 4")
    assert query("SELECT id FROM {s}.visits") == [("good",)]


def test_rejected_records_can_be_kept(target, make, people, query):
    bad = [{"name": "x"}, {"id": "a", "age": "old"}, {"id": "b", "age": 3}]
    result = target.load(
        people, *[make.record("people", values) for values in bad], make.state({"n": 1}),
        on_invalid_record="reject",
    )  # fmt: skip

    assert result.states == [{"n": 1}]
    assert "2 records rejected" in result.log
    assert query("SELECT id FROM {s}.people") == [("b",)]
    rows = query("SELECT stream, line, reason, record FROM {s}._scout_rejects ORDER BY line")
    assert [(stream, line, record) for stream, line, _, record in rows] == [
        ("people", 2, bad[0]),
        ("people", 3, bad[1]),
    ]
    assert "id" in rows[0][2]
    assert "age" in rows[1][2]


@pytest.mark.parametrize("form", ["date-time", "date", "time", "uuid"])
def test_text_that_is_not_a_date_or_uuid_is_rejected(target, make, query, form):
    properties = {"k": "string", "v": {"type": "string", "format": form}}
    values = ["", "yesterday", "2020-02-30", "0000-00-00T00:00:00Z", "25:00", "infinity", "9" * 40]
    result = target.load(
        make.schema("t", properties),
        *[make.record("t", {"k": "x", "v": value}) for value in values],
        on_invalid_record="reject",
    )

    assert query("SELECT count(*) FROM {s}.t") == [(0,)]
    assert query("SELECT count(*) FROM {s}._scout_rejects") == [(len(values),)]
    assert "yesterday" not in result.log


@pytest.mark.parametrize(
    "moment", ["-4714-01-01T00:00:00Z", "294277-01-01T00:00:00Z", "+300000-01-01T00:00:00Z"]
)
def test_date_times_outside_the_range_of_postgres_are_rejected(target, make, query, moment):
    at = {"type": "string", "format": "date-time"}
    target.load(
        make.schema("t", {"at": at}), make.record("t", {"at": moment}), on_invalid_record="reject"
    )

    ((reason,),) = query("SELECT reason FROM {s}._scout_rejects")
    assert "range" in reason


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_know_are_a_malformed_line(target, make, text):
    schema = json.dumps(make.schema("t", {"n": "number"}))
    result = target.run(
        f'{schema}\n{{"type":"RECORD","stream":"t","record":{{"n":{text}}}}}\n'.encode()
    )

    assert_rejected(result, 65, "ine 2")


def test_values_that_only_postgres_rejects_are_found_one_by_one(target, make, query):
    schema = json.dumps(make.schema("t", {"k": "integer", "j": "object"}, ["k"]))
    bad = ["1e200000", '{"deep":[-1E+999999]}']
    lines = [schema]
    for k in range(40):
        value = bad[k % 2] if k in (7, 22) else "{}"
        lines.append(f'{{"type":"RECORD","stream":"t","record":{{"k":{k},"j":{value}}}}}')
    result = target.run("\n".join(lines).encode(), on_invalid_record="reject")

    assert result.code == 0, result.log
    assert query("SELECT count(*) FROM {s}.t") == [(38,)]
    assert query("SELECT count(*) FROM {s}._scout_rejects") == [(2,)]
    assert target.run("\n".join(lines).encode()).code == 65


def test_a_line_that_is_nested_too_deeply_is_rejected(target, make):
    schema = json.dumps(make.schema("t", {"j": "object"}))
    for deep, code in ((2_000, 0), (100_000, 65)):
        line = f'{{"type":"RECORD","stream":"t","record":{{"j":{"[" * deep}{"]" * deep}}}}}'
        assert target.run(f"{schema}\n{line}\n".encode()).code == code


def test_a_key_too_large_for_an_index_is_rejected(target, make, query):
    rng = random.Random(1)
    huge = "".join(chr(rng.randrange(0x100, 0x2000)) for _ in range(20_000))
    schema = make.schema("t", {"k": "string"}, ["k"])
    target.load(schema, make.record("t", {"k": "a"}))
    result = target.run(schema, make.record("t", {"k": huge}), on_invalid_record="reject")

    assert result.code == 0, result.log
    assert query("SELECT k FROM {s}.t") == [("a",)]


def test_properties_that_the_schema_does_not_name_are_left_out(target, make, people, query):
    target.load(people, make.record("people", {"id": "a", "unknown": 1}))

    assert query("SELECT to_jsonb(p) FROM {s}.people AS p") == [
        ({"id": "a", "age": None, "name": None},)
    ]


@pytest.mark.parametrize(
    "shape",
    [
        '{{"type": "RECORD", "stream": "people", "record": {r}, "time_extracted": null}}',
        '{{"record":{r},"stream":"people","type":"RECORD"}}',
        '{{"stream":"people","record":{r},"type":"RECORD","version":null}}',
        ' {{ "type" : "RECORD" , "stream" : "people" , "record" : {r} }} ',
        '{{"type":"RECORD","extra":{{"record":1}},"stream":"people","record":{r}}}',
        '{{"type":"RECORD","stream":"p\\u0065ople","record":{r}}}',
    ],
)
def test_envelopes_of_any_shape_are_read(target, make, people, query, shape):
    records = [shape.format(r=json.dumps({"id": str(n), "age": n})) for n in range(5)]
    target.load(people, *records)

    assert query("SELECT count(*), sum(age) FROM {s}.people") == [(5, 10)]


def test_messages_of_unknown_type_are_left_out_with_a_warning(target, make, people):
    result = target.load(people, {"type": "SOMETHING", "value": SECRET_VALUE}, "", "  ")

    assert "unknown type" in result.log
    assert SECRET_VALUE not in result.log


def test_a_key_that_is_no_property_exits_65(target, make):
    assert_rejected(target.run(make.schema("t", {"a": "string"}, ["b"])), 65, "key property")


def test_batch_files_are_loaded(target, make, people, query, tmp_path):
    file = tmp_path / "part.json.gz"
    with gzip.open(file, "wt") as part:
        for n in range(10):
            part.write(json.dumps({"id": str(n), "age": n}) + "\n")
    batch = {
        "type": "BATCH",
        "stream": "people",
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "manifest": [file.as_uri()],
    }
    target.load(people, batch, make.state({"n": 10}))

    assert query("SELECT count(*), sum(age) FROM {s}.people") == [(10, 45)]


def test_stream_maps_and_flattening_go_through_the_same_engine(target, make, query):
    stream = make.schema("people", {"id": "string", "name": "object", "n": "number"}, ["id"])
    flat = {**stream}
    flat["schema"]["properties"]["name"] = {
        "type": "object",
        "properties": {"first": {"type": "string"}},
    }
    result = target.load(
        flat,
        '{"type":"RECORD","stream":"people","record":{"id":"a","name":{"first":"Ana"},"n":1.10}}',
        make.state({"n": 1}),
        stream_maps={"people": {"__alias__": "persons", "extra": "id + 'x'"}},
        flattening_enabled=True,
        flattening_max_depth=3,
    )

    assert result.states == [{"n": 1}]
    assert query("SELECT id, name__first, n::text, extra FROM {s}.persons") == [
        ("a", "Ana", "1.10", "ax")
    ]


def test_settings_of_the_sdk_come_from_the_environment_too(
    target, people, make, query, monkeypatch
):
    found = {"database_url": target.url, "default_target_schema": target.schema}
    found |= {"stream_maps": '{"people": {"__alias__": "persons"}}', "flattening_enabled": "True"}
    found |= {"flattening_max_depth": "1"}
    for name, text in found.items():
        monkeypatch.setenv(f"TARGET_SCOUT_POSTGRES_{name.upper()}", text)
    lines = [json.dumps(people), json.dumps(make.record("people", {"id": "a"}))]
    done = subprocess.run(
        [*COMMAND, "--config", "ENV"],
        input="\n".join(lines).encode(),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    assert query("SELECT id FROM {s}.persons") == [("a",)]


@pytest.mark.parametrize("argument", ["--about", "--help", "--version", "--about --format=json"])
def test_the_sdks_options_work(argument):
    done = subprocess.run([*COMMAND, *argument.split()], capture_output=True, check=False)

    assert done.returncode == 0
    assert done.stdout


def test_unknown_options_exit_2():
    assert subprocess.run([*COMMAND, "--nope"], capture_output=True, check=False).returncode == 2
