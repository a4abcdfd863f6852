"""Timestamps and ids of generated records: arithmetic agrees with enumeration."""

from commcare_sandbox.hq.data.sequence import TIE_EVERY, TIE_SIZE, RecordSequence
from hypothesis import given
from hypothesis import strategies as st

sizes = st.integers(min_value=1, max_value=700)


@given(size=sizes, seed=st.integers(0, 9))
def test_records_are_stamped_in_the_order_of_their_numbers(size, seed):
    sequence = RecordSequence(seed, "case", size)

    stamps = [sequence.indexed_on(number) // 1000 for number in range(size)]

    assert stamps == sorted(stamps)


@given(size=sizes, seed=st.integers(0, 9), data=st.data())
def test_the_first_record_from_a_moment_on_is_found_without_looking(size, seed, data):
    sequence = RecordSequence(seed, "case", size)

    def timestamp(number):
        return sequence.indexed_on(number) - sequence.lag(number, 9_000_000)

    stamps = [timestamp(number) // 1000 for number in range(size)]
    around = data.draw(st.sampled_from(stamps)) + data.draw(st.integers(-2, 2))

    found = sequence.find(around, timestamp)

    assert found == sum(stamp < around for stamp in stamps)


@given(size=sizes, seed=st.integers(0, 9))
def test_ids_are_unique_found_again_and_ordered_by_rank(size, seed):
    sequence = RecordSequence(seed, "case", size)

    ids = [sequence.identifier(number) for number in range(size)]

    assert len(set(ids)) == size
    assert [sequence.number(each) for each in ids] == list(range(size))
    assert [sequence.at_rank(rank) for rank in range(size)] == sorted(
        range(size), key=ids.__getitem__
    )


def test_an_id_that_does_not_exist_is_not_found():
    sequence = RecordSequence(1, "case", 100)

    assert sequence.number("45WKYXQRFFU3AT4Y022EX7HF2") is None
    assert sequence.number("00000000-0000-4000-a000-000000000000") is None


def test_some_records_share_a_millisecond():
    sequence = RecordSequence(1, "case", TIE_EVERY)

    tied = {sequence.indexed_on(number) // 1000 for number in range(TIE_SIZE)}

    assert len(tied) == 1
