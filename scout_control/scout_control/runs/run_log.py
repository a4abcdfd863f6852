"""Writes the log of a run to the store while it runs: at most a second behind, and redacted."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scout_control.errors import ControlError
from scout_control.meltano import log_lines
from scout_control.meltano.log_lines import LogLine
from scout_control.rules.redaction import Redactor
from scout_control.rules.terminal import escaped
from scout_control.store import run_logs
from scout_control.store.run_logs import CHUNK_CHARACTERS, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from scout_control.runs.context import ProgressEvent
    from scout_control.store.database import Store
    from scout_control.store.models import Run

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
"""How often new lines are stored: the log of a killed worker ends less than a second before."""
PROGRESS_SECONDS = 30.0
"""Between two lines about counts, which show later where a run was slow."""
MAX_WAITING_LINES = 10_000
"""How many lines are kept in memory while the store does not answer; then the oldest go."""
CONTROL = "scout"
OWN_PROGRAMS = frozenset(
    {CONTROL, "meltano", "tap-commcare", "tap-commcare-connect", "target-scout-postgres"}
)
"""Programs that quote names of streams, columns and settings, but no value of a record."""


class RunLogWriter:
    """The log of one attempt at a run. Use it as a context manager."""

    def __init__(
        self,
        store: Store,
        run: Run,
        worker: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._run_id, self._worker = store, run.id, worker
        self._attempt = run.attempt
        self._clock = clock
        self._redact = Redactor()
        self._waiting: deque[Entry] = deque(maxlen=MAX_WAITING_LINES)
        self._open: list[Entry] = []
        self._open_characters = 0
        self._chunk = 0
        self._is_held = True
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._flush_until_over, name="log", daemon=True)
        self._phase = ""
        self._reason = ""
        self._counted_at = clock()

    def redact(self, secrets: Iterable[str]) -> None:
        """Remove these secrets from all lines that follow."""
        self._redact = Redactor(secrets)

    def redacted(self, text: str) -> str:
        """Return a line of one of our programs as it is stored."""
        return escaped(self._redact(text))

    def say(self, text: str) -> None:
        """Write a line of control itself."""
        self._add(LogLine(level="info", source=CONTROL, text=text))

    def read(self, line: str) -> None:
        """Write a line of Meltano or its plugins."""
        if (found := log_lines.readable(line)) is not None:
            self._add(found)

    def progress(self, event: ProgressEvent) -> None:
        """Write a change of phase, and counts now and then."""
        if event.phase != self._phase:
            self._phase = event.phase
            self._counted_at = self._clock()
            self.say(event.message)
        elif self._clock() - self._counted_at >= PROGRESS_SECONDS:
            self._counted_at = self._clock()
            self.say(f"{event.message}: {counts(event)}" if event.progress else event.message)

    def _add(self, line: LogLine) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        may_quote = line.source not in OWN_PROGRAMS
        clean = escaped(self._redact(line.text, may_quote_records=may_quote))
        entry = Entry(at=at, level=line.level, source=escaped(line.source)[:80], text=clean)
        with self._lock:
            self._waiting.append(entry)

    def __enter__(self) -> Self:
        self._thread.start()
        self.say(f"Attempt {self._attempt} on {self._worker}.")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Store what is left; the run is about to be given away or written as ended."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._flush()

    def _flush_until_over(self) -> None:
        while not self._is_over.wait(FLUSH_SECONDS):
            self._flush()

    def _flush(self) -> None:
        """Store the new lines; what could not be stored is tried again with the next ones."""
        with self._lock:
            new = list(self._waiting)
        if not new or not self._is_held:
            return
        try:
            self._store_lines(new)
        except ControlError as error:
            log.debug("log_not_stored run=%s: %s", self._run_id, error.cause)
            return
        with self._lock:
            for entry in new:  # a full queue may have dropped some of them meanwhile
                if self._waiting and self._waiting[0] is entry:
                    self._waiting.popleft()

    def _store_lines(self, new: list[Entry]) -> None:
        entries, characters, chunk = [*self._open], self._open_characters, self._chunk
        with self._store.begin() as session:
            for index, entry in enumerate(new):
                entries.append(entry)
                characters += len(entry.text)
                is_full = characters >= CHUNK_CHARACTERS
                if is_full or index == len(new) - 1:
                    place = (self._attempt, chunk)
                    lines = run_logs.packed(entries)
                    if not run_logs.save(session, self._run_id, self._worker, place, lines):
                        self._is_held = False
                        return
                if is_full:
                    entries, characters, chunk = [], 0, chunk + 1
                    run_logs.prune(session, self._run_id)
        self._open, self._open_characters, self._chunk = entries, characters, chunk


def counts(event: ProgressEvent) -> str:
    """Return the counts of an event in one line."""
    parts = []
    for stream, each in sorted(event.progress.items()):
        total = f" of {each['total']:,}" if each.get("total") is not None else ""
        parts.append(f"{stream} {each.get('committed') or each['fetched']:,}{total}")
    return ", ".join(parts)
