"""Lines of progress: one per stream, with a bar where the total is known. Pure.

A line is a list of pieces, each with the name of its style, so that the width is known without
control sequences.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scout_control.rules.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    Piece = tuple[str, str]
    Line = list[Piece]

RATE_SECONDS = 15.0
"""The rate is that of the last seconds."""
SAMPLE_SECONDS = 0.5
SHORTEST_RATE_SECONDS = 1.0
WIDEST_NAME, NARROWEST_BAR, WIDEST_BAR = 24, 8, 40
CHARACTERS = {
    "done": ("\N{CHECK MARK}", "+"),
    "current": ("\N{BLACK RIGHT-POINTING SMALL TRIANGLE}", ">"),
    "full": ("\N{BOX DRAWINGS HEAVY HORIZONTAL}", "#"),
    "read": ("\N{BOX DRAWINGS HEAVY DOUBLE DASH HORIZONTAL}", "="),
    "empty": ("\N{BOX DRAWINGS LIGHT HORIZONTAL}", "."),
}
"""With Unicode, and without."""


@dataclass
class StreamView:
    """The counts of one stream, and its rate."""

    fetched: int = 0
    committed: int = 0
    total: int | None = None
    changed_at: float = 0.0
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def shown(self) -> int:
        """How many rows are shown: the committed ones, once any are."""
        return self.committed or self.fetched

    @property
    def known_total(self) -> int | None:
        """The total, unless the source has more rows than it announced."""
        return None if self.total is not None and self.total < self.fetched else self.total

    def update(self, counts: dict[str, int | None], now: float) -> None:
        """Take the counts of an event."""
        before = (self.fetched, self.committed)
        self.fetched = counts.get("fetched") or 0
        self.committed = counts.get("committed") or 0
        self.total = counts.get("total")
        if (self.fetched, self.committed) != before:
            self.changed_at = now
        if not self.samples or now - self.samples[-1][0] >= SAMPLE_SECONDS:
            self.samples.append((now, self.fetched))
        while len(self.samples) > 1 and now - self.samples[0][0] > RATE_SECONDS:
            self.samples.popleft()

    def rate(self, now: float) -> float | None:
        """Return the rows per second of the last seconds."""
        if not self.samples or now - self.samples[0][0] < SHORTEST_RATE_SECONDS:
            return None
        if now - self.changed_at > RATE_SECONDS:
            return None
        began, count = self.samples[0]
        return (self.fetched - count) / (now - began)

    def seconds_left(self, now: float) -> float | None:
        """Return how long the rest takes at this rate."""
        rate, total = self.rate(now), self.known_total
        return (total - self.shown) / rate if rate and total is not None else None


def duration(seconds: float) -> str:
    """Return seconds as people read them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


def plain_stream(name: str, stream: StreamView, now: float) -> str:
    """Return the counts of a stream as part of a sentence."""
    total = stream.known_total
    of_total = "" if total is None else f" of {total:,}"
    rate = stream.rate(now)
    speed = f" ({rate:,.0f}/s)" if rate else ""
    return f"{escaped(name)} {stream.shown:,}{of_total}{speed}"


def stream_rows(
    streams: dict[str, StreamView], now: float, width: int, *, is_ascii: bool, unit: str = ""
) -> list[Line]:
    """Return one line per stream; what does not fit is left out, the remaining time first."""
    names = [escaped(name) for name in streams]
    counts = [_count(each) + unit for each in streams.values()]
    rates = [_rate(each, now) for each in streams.values()]
    left = [_left(each, now) for each in streams.values()]
    has_bar = any(each.known_total for each in streams.values())
    columns = [counts, rates, left]
    name_width = min(max(map(len, names)), WIDEST_NAME, max(8, width // 3))
    while True:
        texts = [max(map(len, column)) for column in columns]
        used = 2 + name_width + sum(each + 2 for each in texts if each)
        free = width - used - 2
        if free >= NARROWEST_BAR or len(columns) == 1:
            break
        columns.pop()
    bar_width = free if has_bar and free >= NARROWEST_BAR else 0
    lines = []
    for index, stream in enumerate(streams.values()):
        cells = [(column[index], size) for column, size in zip(columns, texts, strict=True) if size]
        line: Line = [(f"  {names[index][:name_width]:<{name_width}}", "")]
        if bar_width:
            line += [("  ", ""), *_bar(stream, min(bar_width, WIDEST_BAR), is_ascii=is_ascii)]
        line += [(f"  {text:>{size}}", "") for text, size in cells]
        lines.append(line)
    return lines


def _count(stream: StreamView) -> str:
    total = stream.known_total
    return f"{stream.shown:,}" if total is None else f"{stream.shown:,} of {total:,}"


def _rate(stream: StreamView, now: float) -> str:
    rate = stream.rate(now)
    is_done = stream.known_total is not None and stream.shown >= stream.known_total
    return f"{rate:,.0f}/s" if rate and not is_done else ""


def _left(stream: StreamView, now: float) -> str:
    seconds = stream.seconds_left(now)
    return f"{duration(seconds)} left" if seconds and seconds >= 1 else ""


def _bar(stream: StreamView, width: int, *, is_ascii: bool) -> Line:
    """Return the bar: committed, read, and still to come."""
    total = stream.known_total
    if not total:
        return [(" " * width, "")]
    committed = width * min(stream.shown, total) // total
    read = max(width * min(stream.fetched, total) // total - committed, 0)
    parts = (("full", committed), ("read", read), ("empty", width - committed - read))
    return [(CHARACTERS[name][is_ascii] * size, name) for name, size in parts if size]


def width_of(line: Sequence[Piece]) -> int:
    """Return how many columns a line takes."""
    return sum(len(text) for text, _ in line)


def fit(line: Line, width: int) -> Line:
    """Return a line cut to the width."""
    fitted: Line = []
    for text, style in line:
        room = width - width_of(fitted)
        if room <= 0:
            break
        fitted.append((text[:room], style))
    return fitted
