"""Which record a row came from: told only when Postgres refuses the row, from the lines themselves.

Lines are kept as long as their batch, and only where refused records are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_scout_postgres.errors import RefusedError
from target_scout_postgres.singer.messages import Message, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_scout_postgres.encoding.encoder import Encoder

RUNS = msgspec.msgpack.Decoder(list[tuple[int, list[bytes]]])


class Origin:
    """The lines of one batch's rows."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._runs: list[tuple[int, Sequence[bytes]]] = []  # lines, and the number of the first
        self._records: list[tuple[int, bytes]] | None = None

    def add(self, number: int, lines: Sequence[bytes]) -> None:
        """Add lines that follow each other."""
        self._runs.append((number, lines))

    def packed(self) -> bytes:
        """Return the lines as bytes."""
        return msgspec.msgpack.encode(self._runs)

    def add_packed(self, text: bytes) -> None:
        """Add lines that were packed."""
        self._runs += RUNS.decode(text)

    def record(self, number: int) -> tuple[int, bytes]:
        """Return the line number and the record of a row, by the row's number in its batch."""
        if self._records is None:
            self._records = self._read()
        return self._records[number]

    def _read(self) -> list[tuple[int, bytes]]:
        """Find the record of each row: with a key, the last one of each, as the batch has it."""
        found: dict[Any, tuple[int, bytes]] = {}
        is_keyed = bool(self.encoder.layout.key)
        for first, lines in self._runs:
            for number, line in enumerate(lines, start=first):
                message = decode(line, number)
                key = self._key(message, line) if is_keyed else number
                found[key] = (number, bytes(message.record))
        return list(found.values())

    def _key(self, message: Message, line: bytes) -> Any:
        """Return the key of a record, on the way that has taken it."""
        try:
            return self.encoder.exact_row(message.record, message.time_extracted, b"")[0]
        except RefusedError:  # the fast way does not look at properties that no schema names
            rows: dict[Any, bytes] = {}
            version = msgspec.json.decode(message.version or b"null")
            if self.encoder.consume is not None:
                self.encoder.consume([line], 0, 1, b"", version, rows, b"")
            return next(iter(rows))
