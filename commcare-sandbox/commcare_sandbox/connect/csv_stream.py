"""CSV as Connect's first version sends it: Python's own spelling of values, no order promised."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from commcare_sandbox.connect.data.tables import Row

_CHUNK_ROWS = 200


class BrokenStreamError(Exception):
    """The stream fails in the middle, as switched: the body ends without its last chunk."""


def stream(rows: Iterator[Row], names: list[str], breaks_after: int) -> Iterator[bytes]:
    """Write rows as CSV, piece by piece."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names)
    writer.writeheader()
    for number, row in enumerate(rows, 1):
        writer.writerow({name: _cell(value) for name, value in row.items()})
        if number % _CHUNK_ROWS == 0 or number == breaks_after:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
        if number == breaks_after:
            raise BrokenStreamError
    yield buffer.getvalue().encode()


def _cell(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
