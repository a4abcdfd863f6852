"""Versions in unusual orders: announced, loaded, activated, overtaken, within one run."""

import pytest

# "A3" is ACTIVATE_VERSION 3, "R3:1" the record 1 of version 3; a STATE ends each run.
SEQUENCES = {
    "a version overtakes one that was not activated": ("R1:1 R1:2 R2:1 A2", [1]),
    "an announced version overtakes one": ("R1:1 R1:2 A2 R2:3", [3]),
    "records continue after the activation": ("R3:1 A3 R3:2", [1, 2]),
    "records follow two announcements": ("A1 A1 R1:1", [1]),
    "an empty version follows one that was not activated": ("R2:1 A3", []),
    "a first version shows without its activation": ("R2:1", [1]),
    "an announcement holds for its own version alone": ("R1:1 A1 A2 R3:2", [1]),
    "two refreshes in one run": ("R1:1 R1:2 A1 R2:3 A2", [3]),
    "two announced refreshes in one run": ("A1 R1:1 R1:2 A2 R2:3", [3]),
    "an empty version follows an activated one": ("A2 A2 R2:1 A3", []),
    "an activated version is announced again": ("R1:1 A1 A1 R1:2", [1, 2]),
    "records of an older version come after a newer one": ("R2:1 R1:2 A2", [1]),
    "an older version comes while a newer one is loaded": ("R1:1 A1 R2:2 R1:3 A1", [1]),
}


KEYS = {"keyed": ["id"], "plain": []}


def messages(sequence, stream, make):
    for word in sequence.split():
        version, _, number = word[1:].partition(":")
        if word[0] == "A":
            yield make.activate(stream, int(version))
        else:
            yield make.record(stream, {"id": int(number)}, int(version))


@pytest.mark.parametrize("rows_of_a_batch", [1, 100_000])
def test_each_table_is_what_the_last_activated_version_says(target, make, query, rows_of_a_batch):
    """Each sequence is a stream with key and one without; all are loaded by one run."""
    streams = {
        f"{kind}{number}": (key, *sequence)
        for number, sequence in enumerate(SEQUENCES.values())
        for kind, key in KEYS.items()
    }
    lines = []
    for stream, (key, sequence, _) in streams.items():
        lines += [
            make.schema(stream, {"id": "integer"}, key=key),
            *messages(sequence, stream, make),
        ]
    result = target.run(*lines, make.state({"end": 1}), batch_size_rows=rows_of_a_batch)

    assert (result.code, result.states[-1]) == (0, {"end": 1})
    found = {
        stream: [row[0] for row in query(f"SELECT id FROM {{s}}.{stream} ORDER BY id")]
        for stream in streams
    }
    assert found == {stream: expected for stream, (_, _, expected) in streams.items()}


@pytest.mark.parametrize("key", [["id"], []])
def test_the_first_record_of_an_announced_version_may_widen_a_column(target, make, query, key):
    begin = make.schema("events", {"id": "integer", "size": "integer"}, key=key)
    target.load(
        begin,
        make.activate("events", 1),
        make.record("events", {"id": 1, "size": 2**66}, 1),
        make.state(1),
    )
    assert query("SELECT id, size FROM {s}.events") == [(1, 2**66)]
