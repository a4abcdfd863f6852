"""CSV as in version 1 of the API: values formatted by Python's ``str``, rows unordered."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from commcare_sandbox.connect.data.tables import Row

_CHUNK_ROWS = 200


class BrokenStreamError(Exception):
    """Ends the body without its last chunk, as the switch ``connect_csv_rows`` asks."""


def stream(rows: Iterator[Row], names: list[str], breaks_after: int) -> Iterator[bytes]:
    """Return rows as chunks of CSV."""
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
