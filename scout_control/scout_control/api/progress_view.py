"""How the progress of a run looks: lines for a terminal of any width, and lines for a log. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.api.progress_bars import (
    CHARACTERS,
    StreamView,
    duration,
    fit,
    plain_stream,
    stream_rows,
    width_of,
)
from scout_control.rules.statuses import STAGES, Stage
from scout_control.rules.terminal import escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scout_control.api.progress_bars import Line, Piece
    from scout_control.runs.context import ProgressEvent

SILENT_SECONDS = 10.0
"""After this long without news, the display says so."""
PLAIN_SECONDS = 10.0
"""Between two lines in a log, unless the phase changes."""
NOTED_WAIT_SECONDS = 1.0
"""Shorter waits are not worth a line in a log."""
MAX_PLAIN_STREAMS = 6
SPINNER = ("".join(map(chr, (0x280B, 0x2819, 0x2839, 0x2838, 0x283C, 0x2834, 0x2826))), "|/-\\")


class ProgressView:
    """What is known of a run, as lines."""

    def __init__(self, title: str) -> None:
        self.title = escaped(title)
        self.streams: dict[str, StreamView] = {}
        self._event: ProgressEvent | None = None
        self._updated_at = 0.0

    def update(self, event: ProgressEvent, now: float) -> None:
        """Take an event."""
        self._event, self._updated_at = event, now
        for name, counts in event.progress.items():
            self.streams.setdefault(name, StreamView(changed_at=now)).update(counts, now)

    def lines(self, now: float, width: int, height: int, *, is_ascii: bool) -> list[Line]:
        """Return the lines to show on a terminal of this size."""
        spinner = SPINNER[is_ascii]
        mark = spinner[int(now * 8) % len(spinner)]
        if self._event is None:
            return [[(f"{mark} {self.title}: starting"[:width], "")]]
        head = self._head(mark, now, width, is_ascii=is_ascii)
        tail = [[(f"  {text}", style)] for text, style in self._remarks(now)]
        bars = self._bars(now, width, max(2, height - 2 - len(tail)), is_ascii=is_ascii)
        return [fit(line, width) for line in (head, *bars, *tail)]

    def _head(self, mark: str, now: float, width: int, *, is_ascii: bool) -> Line:
        """Return the title and the stages; where they do not fit, the stages or the current one."""
        stages = self._stages(now, is_ascii=is_ascii)
        for title in (f"{mark} {self.title}", mark):
            head: Line = [(title, "title"), *stages]
            if width_of(head) <= width:
                return head
        return [(f"{mark} {self._current_stage(now)}", "title")]

    def _stages(self, now: float, *, is_ascii: bool) -> Line:
        pieces: Line = []
        for stage, seconds in self._seconds(now).items():
            is_current = stage == self._stage
            mark = CHARACTERS["current" if is_current else "done"][is_ascii]
            style = "title" if is_current else "dim"
            pieces.append((f"  {mark} {stage} {duration(seconds)}", style))
        return pieces

    def _current_stage(self, now: float) -> str:
        return f"{self._stage} {duration(self._seconds(now).get(self._stage, 0.0))}"

    @property
    def _stage(self) -> Stage:
        return STAGES[self._event.phase] if self._event else Stage.PREPARE

    def _seconds(self, now: float) -> dict[str, float]:
        """Return the seconds of each stage, the current one up to now."""
        seconds = dict(self._event.seconds) if self._event else {}
        passed = max(0.0, now - self._updated_at)
        seconds[self._stage] = seconds.get(self._stage, 0.0) + passed
        return seconds

    def _remarks(self, now: float) -> Iterable[Piece]:
        """Yield what is waited for, what is prepared, or that there is no news."""
        event = self._event
        if event is None:
            return
        passed = now - self._updated_at
        if text := self.wait(now):
            yield text, "wait"
        elif self._stage is Stage.PREPARE:
            yield escaped(event.message), "dim"
        elif self._stage is Stage.TRANSFORM and event.models is None:
            yield "dbt is reading its project", "dim"
        elif passed >= SILENT_SECONDS:
            yield f"no news for {duration(passed)}", "wait"

    def wait(self, now: float) -> str | None:
        """Return what the run waits for now."""
        wait = self._event.wait if self._event else None
        if wait is None:
            return None
        passed, reason = now - self._updated_at, escaped(wait.reason)
        if wait.seconds is None:
            return f"waiting for {duration(wait.waited_seconds + passed)}: {reason}"
        left = wait.seconds - passed
        return f"waiting {duration(max(left, 1.0))}: {reason}" if left > 0 else None

    def _bars(self, now: float, width: int, rows: int, *, is_ascii: bool) -> list[Line]:
        if self._event and self._stage is Stage.TRANSFORM and self._event.models:
            done, total = self._event.models
            dbt = StreamView(fetched=done, committed=done, total=total)
            label = {"dbt": dbt}
            return stream_rows(label, now, width, is_ascii=is_ascii, unit=" models and tests")
        if self._stage is not Stage.LOAD or not self.streams:
            return self._total_line()
        shown, hidden = self._split(rows)
        lines = stream_rows(shown, now, width, is_ascii=is_ascii)
        if hidden:
            count = sum(each.shown for each in hidden)
            streams = counted(len(hidden), "more stream")
            lines.append([(f"  and {streams} with {counted(count, 'row')}", "dim")])
        return lines

    def _total_line(self) -> list[Line]:
        rows = sum(each.shown for each in self.streams.values())
        if not rows:
            return []
        return [[(f"  {counted(rows, 'row')} in {counted(len(self.streams), 'stream')}", "dim")]]

    def _split(self, rows: int) -> tuple[dict[str, StreamView], list[StreamView]]:
        """Return the streams that have a row of the screen, and the others."""
        if len(self.streams) <= rows:
            return self.streams, []
        latest = sorted(self.streams, key=lambda name: -self.streams[name].changed_at)
        kept = set(latest[: rows - 1])
        shown = {name: each for name, each in self.streams.items() if name in kept}
        return shown, [each for name, each in self.streams.items() if name not in kept]

    def plain(self, now: float) -> str:
        """Return what is going on in one line, for a log."""
        event = self._event
        if event is None:
            return f"{self.title}: starting"
        waits = self.wait(now)
        if self._stage is Stage.LOAD and self.streams:
            counts = f"{self._current_stage(now)}: {self._plain_streams(now)}"
            return f"{waits} ({counts})" if waits else counts
        if waits:
            return waits
        if self._stage is Stage.TRANSFORM and event.models:
            done, total = event.models
            return f"dbt: {done} of {total} models and tests"
        return f"{escaped(event.message)} ({duration(self._seconds(now)[self._stage])})"

    def _plain_streams(self, now: float) -> str:
        latest = sorted(self.streams.items(), key=lambda item: -item[1].changed_at)
        parts = [plain_stream(name, each, now) for name, each in latest[:MAX_PLAIN_STREAMS]]
        rest = [each.shown for _, each in latest[MAX_PLAIN_STREAMS:]]
        if rest:
            parts.append(f"{len(rest)} more streams {sum(rest):,}")
        return ", ".join(parts)


class PlainProgress:
    """Decides which lines a log gets: one per phase, and one every ten seconds at most."""

    def __init__(self, title: str) -> None:
        self._view = ProgressView(title)
        self._phase = ""
        self._written_at = self._waited_at = float("-inf")

    def on_event(self, event: ProgressEvent, now: float) -> list[str]:
        """Return the lines to write for an event."""
        self._view.update(event, now)
        if event.phase != self._phase:
            self._phase, self._written_at = event.phase, now
            return [self._message(event)]
        wait = event.wait
        is_long = wait and (wait.seconds is None or wait.seconds >= NOTED_WAIT_SECONDS)
        # At once, but not each of many: a rate limit may be met every second.
        if is_long and now - self._waited_at >= PLAIN_SECONDS:
            self._waited_at = now
            return self._write(now)
        return self.on_tick(now)

    def on_tick(self, now: float) -> list[str]:
        """Return the lines to write because time has passed."""
        is_due = self._phase and now - self._written_at >= PLAIN_SECONDS
        return self._write(now) if is_due else []

    def _write(self, now: float) -> list[str]:
        self._written_at = now
        return [self._view.plain(now)]

    def _message(self, event: ProgressEvent) -> str:
        rows = sum(each.shown for each in self._view.streams.values())
        message = escaped(event.message)
        return f"{message} ({counted(rows, 'row')} so far)" if rows else message
