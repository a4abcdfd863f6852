"""Where a read begins, and where an interrupted one resumes."""

from __future__ import annotations

from tap_commcare.incremental.bookmarks import (
    Progress,
    Start,
    begin,
    progress_after,
    resume,
    stored_progress,
)
from tap_commcare.pagination.pages import Window

MINUTE = 60_000
NOW = 10**12


def test_a_first_read_begins_at_the_beginning_or_the_start_date():
    assert begin(None, None, MINUTE, None) == Start(Window(None, None))
    assert begin(None, None, MINUTE, 5000) == Start(Window(4999, None))


def test_a_later_read_begins_before_the_bookmark_and_never_before_the_start_date():
    assert begin(NOW, NOW + MINUTE, MINUTE, None).window.after == NOW - MINUTE - 1
    assert begin(NOW, NOW + MINUTE, MINUTE, NOW - 10).window.after == NOW - 11


def test_rows_stamped_since_the_read_before_began_are_read_again():
    assert begin(NOW + 9 * MINUTE, NOW, MINUTE, None).window.after == NOW - MINUTE - 1


def test_a_page_that_reaches_beyond_the_overlap_is_resumed_by_time():
    after = progress_after(0, 2 * MINUTE, Window(None, None), {"next": "x"}, MINUTE)

    assert after == Progress(2 * MINUTE)
    assert resume(after, NOW, MINUTE, None).window.after == MINUTE - 1


def test_equal_times_are_resumed_by_token_once_they_are_older_than_the_overlap():
    after = progress_after(500, 500, Window(None, 900), {"next": "x"}, MINUTE)

    assert resume(after, NOW, MINUTE, None) == Start(Window(None, 900), {"next": "x"})
    assert resume(after, 600, MINUTE, None) == begin(500, 600, MINUTE, None)


def test_a_window_that_was_read_to_its_end_is_not_entered_again():
    after = progress_after(500, 900, Window(100, 1000), None, 0)

    assert resume(after, NOW, 0, None) == Start(Window(1000, None))


def test_progress_survives_the_state():
    progress = Progress(5, 9, {"from": 7})

    assert stored_progress({"position": progress.entry()}) == progress
    assert stored_progress({}) is None
    assert stored_progress({"position": {"at": "soon"}}) is None
