"""What the buffer of a stream counts, writes and withholds."""

from __future__ import annotations

import pytest
from target_scout_postgres.encoding.encoder import Encoder
from target_scout_postgres.encoding.layout import ColumnMapping, Layout
from target_scout_postgres.encoding.stream_schema import Property
from target_scout_postgres.loading.buffers import StreamBuffer
from target_scout_postgres.loading.stream import Stream
from target_scout_postgres.loading.stream_tables import StreamTables
from target_scout_postgres.postgres.schema_snapshot import Table


def layout(*key: str) -> Layout:
    mappings = (ColumnMapping(Property("id", "bigint", required=True), "id", "bigint"),)
    return Layout(mappings, key)


def filled(*segments: tuple[int, bool], withheld: tuple[int, ...] = ()) -> StreamBuffer:
    """A buffer with a line in each segment, given by epoch and whether its rows wait."""
    buffer = StreamBuffer(keeps_lines=False)
    for epoch, waits in segments:
        segment = buffer.new_segment(Encoder(layout()), epoch, is_staged=False, waits=waits)
        segment.rows.append(b"row")
        buffer.add(segment, epoch, [b"line"], epoch)
    for epoch in withheld:
        buffer.withhold(epoch)
    return buffer


@pytest.mark.parametrize(
    ("segments", "withheld", "covered", "taken"),
    [
        ([(1, True), (2, True)], (), None, [1, 2]),
        ([(1, True), (2, True)], (), 1, [1]),
        ([(1, True), (2, True)], (), 0, []),
        ([(1, False), (2, False)], (), 0, [1, 2]),
        ([(1, True), (2, False)], (), 0, [2]),
        # everything stays behind withheld batches
        ([(2, False)], (1,), 0, []),
        ([(2, False)], (1,), 2, [2]),
    ],
)
def test_rows_that_wait_stay_until_a_state_covers_them(segments, withheld, covered, taken):
    buffer = filled(*segments, withheld=withheld)

    assert [segment.epoch for segment in buffer.take(covered)] == taken
    assert buffer.buffered_rows == len(segments) - len(taken)
    assert buffer.buffered_bytes == 4 * buffer.buffered_rows
    assert buffer.received_rows == len(segments)


def test_what_is_withheld_is_released_in_order_of_its_epochs():
    buffer = filled((3, True), withheld=(1, 2, 2))

    assert buffer.withheld == [1, 2]
    assert not buffer.release_withheld(0)
    assert buffer.release_withheld(1)
    assert buffer.withheld == [2]
    assert buffer.release_withheld(5)
    assert not buffer.release_withheld(5)


@pytest.mark.parametrize(
    ("segment", "withheld", "covered", "expected"),
    [
        ((2, True), (), 1, True),
        ((2, True), (), 2, False),
        ((2, False), (), 1, False),
        ((2, False), (1,), 1, True),
    ],
)
def test_what_no_state_covers_and_what_follows_it_is_withheld(segment, withheld, covered, expected):
    buffer = filled(segment, withheld=withheld)

    assert buffer.must_withhold(buffer.take(None)[0], covered) is expected


def stream(*key: str) -> Stream:
    made = Stream("t", StreamTables("t", Table("t")), keeps_lines=True)
    made.tables.layout = layout(*key)
    made.encoder = Encoder(made.tables.layout)
    return made


def test_rows_without_key_begin_a_segment_with_each_epoch_and_rows_with_key_do_not():
    keyless, keyed = stream(), stream("id")

    assert keyless.segment(1) is keyless.segment(1)
    assert keyless.segment(1) is not keyless.segment(2)
    assert keyed.segment(1) is keyed.segment(2)


def test_rows_of_a_version_are_apart_and_go_to_the_live_table_once_it_is_active():
    people = stream("id")
    live = people.segment(1)
    people.versions.stage(2)
    staged = people.segment(1)

    assert staged is not live
    assert (live.is_staged, staged.is_staged) == (False, True)
    people.promote(2)
    assert not staged.is_staged
    assert people.segment(1) is staged


def test_a_batch_has_the_last_row_of_each_key_and_the_lines_of_all():
    people = stream("id")
    segment = people.segment(1)
    segment.rows |= {1: b"first"}
    people.buffer.add(segment, 4, [b"{}"], 1)
    segment.rows |= {1: b"second"}
    people.buffer.add(segment, 7, [b"{}", b"{}"], 1)
    batch = segment.batch()

    assert batch.rows == [b"second"]
    assert batch.lines == (4, 8)
    assert batch.source is not None
    assert (segment.count, segment.size) == (3, 6)


def test_a_new_buffer_takes_no_rows_of_a_segment_that_was_handed_over():
    people = stream("id")
    first = people.segment(1)
    people.buffer.take(None)

    assert people.segment(1) is not first
