"""Unusual but valid roles, schemas, settings and inputs."""

import gzip
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import preloaded
from support.logins import with_login
from support.measuring import run_measured


@pytest.fixture
def people(make):
    return make.schema("people", {"id": "integer", "name": "string", "day": "string"}, key=["id"])


def test_a_percent_sign_in_the_name_of_the_schema_is_a_character(target, make, people, connection):
    name = f"{target.schema} 100%s"
    result = target.run(
        people,
        make.record("people", {"id": 1}, 1),
        make.activate("people", 1),
        default_target_schema=name,
    )
    with connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{name}" CASCADE')
    assert result.code == 0, result.log


@pytest.mark.parametrize("setting", ["quote_all_identifiers", "default_transaction_read_only"])
def test_settings_of_the_role_change_nothing(target, make, people, query, columns, setting):
    role = f"{target.schema}_set"
    query(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'known'")
    query(f"ALTER ROLE {role} SET {setting} = on")
    url = with_login(target.url, role, "known")
    for name in ("Ada", "Eve"):
        target.load(people, make.record("people", {"id": 1, "name": name}), database_url=url)
    assert query("SELECT id, name FROM {s}.people") == [(1, "Eve")]
    assert list(columns("people")) == ["id", "name", "day"]
    query("DROP SCHEMA {s} CASCADE")
    query(f"DROP ROLE {role}")


def test_a_batch_may_be_one_byte(target, make, people, query):
    records = [make.record("people", {"id": number}) for number in range(20)]
    target.load(people, *records, make.state(1), batch_size_bytes=1)
    assert query("SELECT count(*) FROM {s}.people") == [(20,)]


def test_an_unknown_log_level_does_not_end_the_run(target, people, monkeypatch):
    monkeypatch.setenv("LOGLEVEL", "loud")
    assert target.run(people, flattening_enabled=False, stream_maps={"other": None}).code == 0


def test_flattening_without_a_depth_is_a_wrong_setting(target, people):
    result = target.run(people, flattening_enabled=True)
    assert (result.code, "flattening_max_depth" in result.log) == (2, True)


def test_stream_maps_of_another_shape_are_a_wrong_setting(target, people):
    result = target.run(people, stream_maps="upper")
    assert (result.code, "stream_maps" in result.log) == (2, True)


def test_a_stream_map_that_fails_names_the_line_and_no_value(target, make, people):
    record = make.record("people", {"id": 1, "name": "Ada"})
    result = target.run(people, record, stream_maps={"people": {"day": "1/0"}})
    assert result.code == 65
    assert "Line 2" in result.log
    assert "Ada" not in result.log


def test_a_type_may_change_after_an_integer_of_more_than_64_bits(target, make, query):
    def typed(kind):
        return make.schema("people", {"id": "integer", "name": kind}, key=["id"])

    target.load(
        typed("integer"),
        make.record("people", {"id": 1, "name": 2**66}),
        typed("string"),
        make.record("people", {"id": 2, "name": "Ada"}),
    )
    assert query("SELECT id, name, name__text FROM {s}.people ORDER BY id") == [
        (1, 2**66, None),
        (2, None, "Ada"),
    ]


def test_an_integer_out_of_range_is_rejected_by_both_paths_of_encoding(target, make, query):
    begin = make.schema("people", {"id": "integer", "size": "integer"}, key=["id"])
    target.load(begin, make.record("people", {"id": 1, "size": 2**66}))
    big = '{"type":"RECORD","stream":"people","record":{"id":2,"size":%s}}' % ("1" * 200_000)
    usual = json.dumps(make.record("people", {"id": 3, "size": 3}))
    result = target.run(begin, usual, big, usual, on_invalid_record="reject")
    assert result.code == 0, result.log
    assert query("SELECT id FROM {s}.people ORDER BY id") == [(1,), (3,)]


def test_a_key_too_long_for_an_index_is_merged_without_one(target, make, query):
    begin = make.schema("notes", {"key": "string", "size": "integer"}, key=["key"])
    key = "".join(chr(256 + number * 7919 % 9000) for number in range(6000))
    for size in (1, 2):
        target.load(begin, make.record("notes", {"key": key, "size": size}))
    assert query("SELECT size FROM {s}.notes") == [(2,)]


def test_a_generated_column_of_the_reader_stays(target, make, people, query):
    for version, name in ((1, "Ada"), (2, "Evelyn")):
        target.load(
            people,
            make.record("people", {"id": 1, "name": name}, version),
            make.activate("people", version),
        )
        if version == 1:
            query(
                "ALTER TABLE {s}.people "
                "ADD COLUMN length integer GENERATED ALWAYS AS (char_length(name)) STORED"
            )
    assert query("SELECT name, length FROM {s}.people") == [("Evelyn", 6)]


def test_rejected_records_of_a_killed_run_are_kept_once(target, make, people, query, eventually):
    wrong = [make.record("people", {"id": number, "name": 5}) for number in range(3)]
    killed = target.start(on_invalid_record="reject")
    killed.send(people, make.record("people", {"id": 7}), *wrong)
    eventually(lambda: query("SELECT to_regclass(%s)", f"{target.schema}.people") != [(None,)])
    killed.signal(signal.SIGKILL)
    killed.end()
    target.load(people, *wrong, make.state(1), on_invalid_record="reject")
    assert query("SELECT count(*) FROM {s}._scout_rejects") == [(3,)]


def test_a_byte_order_mark_before_the_first_line_is_left_out(target, make, people):
    line = json.dumps(people).encode()
    result = target.run(b"\xef\xbb\xbf" + line + b'\n{"type": "STATE", "value": 1}\n')
    assert (result.code, result.states) == (0, [1])


def test_a_version_of_more_than_64_bits_is_reported_with_its_line(target, make, people):
    result = target.run(people, make.record("people", {"id": 1}, 2**70))
    assert result.code == 65
    assert "line 2" in result.log


@pytest.mark.parametrize("part", ["version", "schema", "key_properties"])
def test_a_number_out_of_range_in_a_message_is_reported_with_its_line(target, make, people, part):
    line = json.dumps(people | {"version": 1, part: "@"}).replace('"@"', "9" * 5000)
    if part == "version":
        line = line.replace('"SCHEMA"', '"ACTIVATE_VERSION"')
    result = target.run(people, line)
    assert result.code == 65
    assert "ine 2" in result.log


def test_a_closed_stderr_does_not_end_a_run(target, make, people):
    command = f"{shlex.join(target.configure())} 2>&-"
    lines = [people, make.record("people", {"id": 1}), make.state(1)]
    given = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run(
        command, shell=True, input=given, stdout=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n")


def test_a_signal_ends_a_run_that_waits_for_a_lock_of_another_session(
    target, make, connection, dataset_schema, query, eventually
):
    """With a timeout of one second instead of sixty."""
    stream = make.schema("people", {"id": "string"}, ["id"])
    target.load(stream, make.record("people", {"id": "a"}))
    program = (
        "import sys; from target_scout_postgres import cli; "
        "from target_scout_postgres.singer import input_lines; "
        "input_lines.SHUTDOWN_SECONDS = 1; sys.exit(cli.main())"
    )
    command = [sys.executable, "-c", program, *target.configure()[1:]]
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f'LOCK TABLE "{dataset_schema}".people IN SHARE MODE')
    running = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        lines = [stream, make.record("people", {"id": "b"}), make.state({"n": 1})]
        running.stdin.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        running.stdin.flush()
        waiting = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{s}.people'::regclass"
        )
        eventually(lambda: query(waiting) != [(0,)])
        running.send_signal(signal.SIGTERM)
        out, log = running.communicate(timeout=120)
    finally:
        running.kill()
        running.wait()
        query("ROLLBACK")

    assert (running.returncode, out) == (143, b"")
    assert b"could not be committed within 1 seconds" in log
    again = target.load(stream, make.record("people", {"id": "b"}), make.state({"n": 1}))
    assert again.states == [{"n": 1}]
    assert query("SELECT id FROM {s}.people ORDER BY id") == [("a",), ("b",)]


def test_a_name_that_a_terminal_would_obey_is_spelled_out_in_the_log(target, make, query):
    name = "\x1b]52;c;QUJD\x07\x9b2J\u202ex\rforged"
    stream = make.schema(name, {"id": "integer"}, key=["id"])
    result = target.load(stream, make.record(name, {"id": 1}))

    assert "\\x1b]52;c;QUJD\\x07\\x9b2J\\u202ex\\rforged: 1 record" in result.log
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(result.log)


BAD = "\x1b]0;owned\x07\x1b[31m\x9b2J\r\x08\u202e\u2028"


@pytest.mark.parametrize("extra", [{}, {"stream_maps": {"other": {}}}])
@pytest.mark.parametrize("is_structured", [True, False])
def test_no_name_of_the_data_gives_orders_to_a_terminal(
    target, make, query, tmp_path, extra, is_structured
):
    config = tmp_path / "logging.json"
    formatter = {"()": "singer_sdk.logging.StructuredFormatter"}
    config.write_text(json.dumps({"version": 1, "formatters": {"a": formatter}}))
    env = {"SINGER_SDK_LOG_CONFIG": str(config)} if is_structured else None
    name = f"t{BAD}"
    odd = make.schema(name, {f"id{BAD}": "integer"}, [f"id{BAD}"])
    wide = make.schema(name, {f"id{BAD}": "integer", f"more{BAD}": "string"}, [f"id{BAD}"])
    runs = [
        target.run(odd, make.record(name, {f"id{BAD}": 1}), env=env, **extra),
        target.run(wide, make.record(name, {f"id{BAD}": "no number"}), env=env, **extra),
        target.run(make.record(name, {f"id{BAD}": 1}), env=env, **extra),
        target.run({"type": BAD}, odd, make.activate(name, 5), env=env, **extra),
    ]

    for run in runs:
        assert run.log
        assert [c for c in run.log if c != "\n" and not c.isprintable()] == []
    assert [run.code for run in runs] == [0, 65, 65, 0]


def deep(levels: int, before: str = "[", after: str = "]") -> str:
    return before * levels + "1" + after * levels


VALUES = {
    "deep": deep(100_000),
    "deep objects": deep(100_000, '{"a":', "}"),
    "as deep as can be read": deep(960),
    "a schema of schemas": deep(900, '{"anyOf":[', "]}"),
    "properties of properties": deep(900, '{"type":"object","properties":{"a":', "}}"),
    "digits": "7" * 5000,
    "a large exponent": "1e999999",
    "a larger exponent": "1e999999999",
    "NaN": "NaN",
    "no UTF-8": '"\udcff"',
    "half a character": '"\\ud800"',
    "a name twice": '{"a":1,"a":[]}',
}
PLACES = {
    "a record": '{"type":"RECORD","stream":"t","record":{"id":1,"o":%s,"n":%s}}',
    "a key": '{"type":"RECORD","stream":"t","record":{"id":%s}}',
    "a version": '{"type":"RECORD","stream":"t","version":%s,"record":{"id":1}}',
    "an unknown part": '{"type":"RECORD","stream":"t","record":{"id":1},"x":%s}',
    "a schema": '{"type":"SCHEMA","stream":"u","schema":{"properties":{"a":%s}}}',
    "a key of a schema": '{"type":"SCHEMA","stream":"u","schema":{"properties":{}},'
    '"key_properties":%s}',
    "a state": '{"type":"STATE","value":%s}',
    "a batch": '{"type":"BATCH","stream":"t","manifest":[%s],"encoding":%s}',
    "a line": "%s",
}


@pytest.mark.parametrize("place", PLACES)
def test_odd_json_is_rejected_or_loaded_without_an_internal_error(target, make, place):
    schema = make.schema("t", {"id": "integer", "o": "object", "n": "number"}, ["id"])
    plain = json.dumps(schema).encode() + b"\n"
    for number, (name, value) in enumerate(VALUES.items()):
        extra = {"stream_maps": {"t": {"__else__": None, "id": "id"}}} if number % 4 == 3 else {}
        line = PLACES[place].replace("%s", value).encode("utf-8", "surrogateescape")
        command = target.configure(**extra)
        text = plain + line + b"\n"
        done = preloaded.run_target(command, text, is_of_sdk=bool(extra))
        assert done.returncode in {0, 65}, (name, done.stderr[-600:])
        assert b"fault" not in done.stderr


@pytest.mark.parametrize("name", VALUES)
def test_a_configuration_of_odd_json_is_a_wrong_setting(tmp_path, name):
    config = tmp_path / "config.json"
    text = '{"database_url":%s,"batch_size_rows":%s}'.replace("%s", VALUES[name])
    config.write_bytes(text.encode("utf-8", "surrogateescape"))
    command = str(Path(sys.executable).parent / "target-scout-postgres")
    done = subprocess.run(
        [command, "--config", str(config)], input=b"", capture_output=True, check=False
    )

    assert done.returncode == 2, done.stderr


def test_a_batch_file_that_is_a_bomb_is_read_within_bounds(target, make, tmp_path):
    with gzip.open(tmp_path / "bomb.gz", "wb") as file:
        file.write(b'{"id":1,"o":"')
        for _ in range(1024):
            file.write(b" " * (1 << 20))
    batch = {
        "type": "BATCH",
        "stream": "t",
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "manifest": [(tmp_path / "bomb.gz").as_uri()],
    }
    messages = [make.schema("t", {"id": "integer"}, ["id"]), batch]
    whole = "".join(f"{json.dumps(each)}\n" for each in messages).encode()
    done, peak = run_measured(target.configure(), tmp_path, input=whole, capture_output=True)

    assert done.returncode == 65
    assert peak < 700_000
