"""The input lines of a batch, for finding the record of a row that Postgres rejects.

Kept as long as the batch, and only if rejected records are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_scout_postgres.errors import InvalidRecordError
from target_scout_postgres.singer.messages import Message, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_scout_postgres.encoding.encoder import Encoder

RUNS_DECODER = msgspec.msgpack.Decoder(list[tuple[int, list[bytes]]])


class SourceLines:
    """The lines of one batch's rows."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._runs: list[tuple[int, Sequence[bytes]]] = []  # number of the first line, lines
        self._records: list[tuple[int, bytes]] | None = None

    def add(self, number: int, lines: Sequence[bytes]) -> None:
        """Add adjacent lines, the first of which has this number."""
        self._runs.append((number, lines))

    def packed(self) -> bytes:
        """Return the lines as bytes."""
        return msgspec.msgpack.encode(self._runs)

    def add_packed(self, text: bytes) -> None:
        """Add lines that were packed."""
        self._runs += RUNS_DECODER.decode(text)

    def record(self, row_number: int) -> tuple[int, bytes]:
        """Return the line number and the record of a row, by its number in the batch."""
        if self._records is None:
            self._records = self._find_records()
        return self._records[row_number]

    def _find_records(self) -> list[tuple[int, bytes]]:
        """Return line number and record of each row; with a key, of the last record of each."""
        records: dict[Any, tuple[int, bytes]] = {}
        has_key = bool(self.encoder.layout.key)
        for first, lines in self._runs:
            for number, line in enumerate(lines, start=first):
                message = decode(line, number)
                key = self._key(message, line) if has_key else number
                records[key] = (number, bytes(message.record))
        return list(records.values())

    def _key(self, message: Message, line: bytes) -> Any:
        try:
            return self.encoder.encode_exactly(message.record, message.time_extracted, b"")[0]
        except InvalidRecordError:
            # The fast path does not decode properties outside the schema, so it may have taken a
            # record that the exact path does not.
            rows: dict[Any, bytes] = {}
            version = msgspec.json.decode(message.version or b"null")
            if self.encoder.encode_run is not None:
                self.encoder.encode_run([line], 0, 1, b"", version, rows, b"")
            return next(iter(rows))
