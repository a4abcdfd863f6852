"""Keys for rows without an id."""

from __future__ import annotations

import resource

from tap_commcare_connect.record_keys import DuplicateCounter, identity, record_key


def test_an_identity_depends_on_stream_opportunity_and_parts():
    parts = ["a", None, "2026-05-05T10:06:43.000000Z"]
    digests = {
        identity("payments", 1, parts),
        identity("payments", 2, parts),
        identity("assessments", 1, parts),
        identity("payments", 1, ["a", "", parts[2]]),
        identity("payments", 1, ["a", "null", parts[2]]),
    }

    assert len(digests) == 5
    assert identity("payments", 1, parts) == identity("payments", 1, list(parts))


def test_keys_of_duplicates_differ_and_never_change():
    digest = identity("payments", 1, ["a"])
    keys = [record_key(digest, number) for number in range(3)]

    assert len(set(keys)) == 3
    assert keys[0] == digest.hex()
    assert all(len(key) == 64 for key in keys)


def test_duplicates_are_counted_in_their_order():
    duplicates = DuplicateCounter()
    first, second = identity("payments", 1, ["a"]), identity("payments", 1, ["b"])

    assert [duplicates.count(each) for each in (first, second, first, first)] == [0, 0, 1, 2]
    duplicates.close()
    duplicates.close()


def test_counting_many_rows_takes_a_bounded_memory():
    duplicates = DuplicateCounter()
    for number in range(20_000):
        duplicates.count(identity("payments", 1, [number]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(20_000, 80_000):
        duplicates.count(identity("payments", 1, [number]))
    duplicates.close()

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4 * 1024
