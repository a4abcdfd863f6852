"""How the progress of a run looks on terminals of any size, and in a log."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.api.progress_bars import duration
from scout_control.api.progress_display import can_redraw, is_ascii_only
from scout_control.api.progress_view import PlainProgress, ProgressView
from scout_control.meltano.reports import Wait
from scout_control.rules.statuses import Phase
from scout_control.runs.context import ProgressEvent


def counts(fetched, committed=0, total=None):
    return {"fetched": fetched, "committed": committed, "total": total}


def event(phase=Phase.LOADING, seconds=None, **fields) -> ProgressEvent:
    given = {"prepare": 2.0, "load": 1.0} if seconds is None else seconds
    return ProgressEvent(phase=phase, message=f"Now {phase}", seconds=given, **fields)


def shown(view, now, width=79, height=23, *, is_ascii=False) -> list[str]:
    lines = view.lines(now, width, height, is_ascii=is_ascii)
    return ["".join(text for text, _ in line) for line in lines]


@pytest.fixture
def loading():
    """A run that has read half of its cases in ten seconds, and all of its forms."""
    view = ProgressView("river/hq")
    for now, cases in ((0.0, 0), (5.0, 5_000), (10.0, 10_000)):
        progress = {"cases": counts(cases, cases - cases // 5, 20_000), "forms": counts(7, 7)}
        view.update(event(progress=progress), now)
    return view


def test_a_stream_with_a_total_has_a_bar_a_rate_and_the_time_left(loading):
    head, cases, forms = shown(loading, 10.0)

    assert "river/hq" in head
    assert "load 1 s" in head
    assert "8,000 of 20,000" in cases
    assert "1,000/s" in cases
    assert "12 s left" in cases
    assert cases.count("\N{BOX DRAWINGS HEAVY HORIZONTAL}") > 5
    assert cases.count("\N{BOX DRAWINGS HEAVY DOUBLE DASH HORIZONTAL}") > 0
    assert forms.split() == ["forms", "7"]


def test_time_goes_on_without_news_and_the_rate_falls(loading):
    head, cases, *_, silent = shown(loading, 30.0)

    assert "load 21 s" in head
    assert "12 s left" not in cases
    assert silent == "  no news for 20 s"


@pytest.mark.parametrize("width", [79, 60, 50, 40, 30, 20, 10, 3])
def test_nothing_is_wider_than_the_terminal(loading, width):
    lines = shown(loading, 10.0, width)

    assert max(map(len, lines)) <= width
    if width >= 30:
        assert "8,000 of 20,000" in "\n".join(lines)


def test_many_streams_fit_the_height_and_the_rest_is_counted():
    view = ProgressView("river/hq")
    view.update(event(progress={f"s{n}": counts(n) for n in range(50)}), 0.0)
    view.update(event(progress={f"s{n}": counts(n + (n == 7)) for n in range(50)}), 1.0)
    lines = shown(view, 1.0, height=12)

    assert len(lines) <= 12
    assert lines[-1].startswith("  and 41 more streams with 1,")
    assert any(line.split()[0] == "s7" for line in lines)  # the one that changed last


def test_waits_count_down_and_vanish():
    view = ProgressView("river/hq")
    view.update(event(wait=Wait("HTTP 429, the rate limit of river", 15.0)), 0.0)

    assert shown(view, 0.0)[-1] == "  waiting 15 s: HTTP 429, the rate limit of river"
    assert shown(view, 8.0)[-1] == "  waiting 7 s: HTTP 429, the rate limit of river"
    assert "waiting" not in shown(view, 15.5)[-1]


def test_what_is_prepared_is_said_until_the_load_begins():
    view = ProgressView("river/hq")
    view.update(event(Phase.DISCOVERING, seconds={"prepare": 1.0}), 0.0)
    head, remark = shown(view, 20.0)

    assert "prepare 21 s" in head
    assert remark == "  Now discovering"


def test_waits_of_unknown_length_count_up():
    view = ProgressView("river/hq")
    view.update(event(wait=Wait("hq.example has not answered", None, 1.5)), 0.0)

    assert shown(view, 6.0)[-1] == "  waiting for 8 s: hq.example has not answered"


def test_dbt_is_a_bar_of_models():
    view = ProgressView("river/hq")
    phase = Phase.TRANSFORMING
    view.update(event(phase, progress={"cases": counts(5, 5)}), 0.0)
    assert shown(view, 1.0)[-1] == "  dbt is reading its project"

    view.update(event(phase, models=(12, 24)), 2.0)
    line = shown(view, 2.0)[-1]
    assert "12 of 24 models and tests" in line
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in line


def test_only_ascii_where_the_locale_is_ascii(loading):
    text = "\n".join(shown(loading, 10.0, is_ascii=True))

    assert text.isascii()
    assert "####" in text


def test_names_of_others_contain_no_control_characters():
    view = ProgressView("a\x1b[2J")
    view.update(event(progress={"b\x1b]52;c\x07": counts(1)}, wait=Wait("c\r\x1b[1m", 3.0)), 0.0)
    text = "".join(shown(view, 0.0))

    assert not {"\x1b", "\x07", "\r"} & set(text)


def test_a_source_with_more_rows_than_it_announced_has_no_bar():
    view = ProgressView("river/hq")
    view.update(event(progress={"cases": counts(30, 30, 20)}), 0.0)

    assert shown(view, 0.0)[-1].split() == ["cases", "30"]


NUMBERS = st.integers(0, 10**12)
COUNTS = st.fixed_dictionaries(
    {"fetched": NUMBERS, "committed": NUMBERS, "total": st.none() | NUMBERS}
)
EVENTS = st.builds(
    ProgressEvent,
    phase=st.sampled_from(Phase),
    message=st.text(max_size=30),
    progress=st.dictionaries(st.text(min_size=1, max_size=40), COUNTS, max_size=30),
    seconds=st.dictionaries(
        st.sampled_from(["prepare", "load", "transform", "finish"]), st.floats(0, 1e6)
    ),
    models=st.none() | st.tuples(st.integers(0, 99), st.integers(1, 99)),
    wait=st.none()
    | st.builds(Wait, st.text(max_size=60), st.none() | st.floats(0, 1e5), st.floats(0, 1e5)),
)


@given(st.lists(EVENTS, max_size=5), st.integers(1, 200), st.integers(1, 60), st.booleans())
def test_any_progress_fits_any_terminal(events, width, height, is_ascii):
    view, plain = ProgressView("river/hq"), PlainProgress("river/hq")
    for number, each in enumerate(events):
        view.update(each, number * 3.0)
        plain.on_event(each, number * 3.0)
        for line in shown(view, number * 3.0 + 1, width, height, is_ascii=is_ascii):
            assert len(line) <= width
            assert "\n" not in line


def test_a_log_has_a_line_per_phase_and_one_every_ten_seconds():
    plain = PlainProgress("river/hq")
    lines = []
    for now in range(36):
        progress = {"cases": counts(now * 100, now * 100, 20_000)}
        lines += plain.on_event(event(seconds={"load": float(now)}, progress=progress), float(now))
        lines += plain.on_tick(now + 0.5)
    lines += plain.on_event(event(Phase.TRANSFORMING, progress=progress), 36.0)

    assert lines[0] == "Now loading"
    assert lines[1] == "load 10 s: cases 1,000 of 20,000 (100/s)"
    assert len(lines) == 5
    assert lines[-1] == "Now transforming (3,500 rows so far)"


def test_a_line_about_a_wait_has_the_counts_too():
    plain = PlainProgress("river/hq")
    plain.on_event(event(), 0.0)
    progress = {"cases": counts(50, 40, 200)}

    assert plain.on_event(event(progress=progress, wait=Wait("HTTP 429", 15.0)), 1.0) == [
        "waiting 15 s: HTTP 429 (load 1 s: cases 40 of 200)"
    ]


def test_a_log_has_a_line_when_nothing_is_heard():
    plain = PlainProgress("river/hq")
    plain.on_event(event(Phase.DISCOVERING, seconds={"prepare": 1.0}), 0.0)

    assert plain.on_tick(9.0) == []
    assert plain.on_tick(10.0) == ["Now discovering (11 s)"]


def test_a_log_names_a_wait_at_once_but_not_each_retry():
    plain = PlainProgress("river/hq")
    plain.on_event(event(), 0.0)
    heard = [
        plain.on_event(event(wait=wait), now)
        for now, wait in (
            (0.5, Wait("no connection, try 2", 0.4)),
            (1.0, Wait("HTTP 429", 15.0)),
            (2.0, Wait("HTTP 429", 14.0)),
            (3.0, Wait("no connection, try 3", 1.7)),
            (9.0, None),
            (12.0, Wait("no connection, try 9", 8.0)),
        )
    ]

    assert heard == [
        [],
        ["waiting 15 s: HTTP 429"],
        [],
        [],
        [],
        ["waiting 8 s: no connection, try 9"],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (60, "1:00"), (3599, "59:59"), (3661, "1:01:01")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


class Stream(io.StringIO):
    def __init__(self, *, is_terminal=True, encoding="utf-8"):
        super().__init__()
        self._is_terminal, self._encoding = is_terminal, encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return self._is_terminal


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Stream(), {"TERM": "xterm-256color"}, True),
        (Stream(), {"TERM": "dumb"}, False),
        (Stream(), {}, False),
        (Stream(is_terminal=False), {"TERM": "xterm"}, False),
    ],
)
def test_lines_are_overwritten_only_where_that_is_possible(stream, environment, expected):
    assert can_redraw(stream, environment) is expected


@pytest.mark.parametrize(
    ("encoding", "environment", "expected"),
    [
        ("utf-8", {"LANG": "en_US.UTF-8"}, False),
        ("UTF-8", {"LANG": "C", "LC_ALL": "C.utf8"}, False),
        ("utf-8", {"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ("utf-8", {"LC_CTYPE": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ("utf-8", {}, True),
        ("latin-1", {"LANG": "en_US.UTF-8"}, True),
        (None, {"LANG": "en_US.UTF-8"}, False),
    ],
)
def test_the_locale_decides_about_ascii(encoding, environment, expected):
    assert is_ascii_only(Stream(encoding=encoding), environment) is expected
