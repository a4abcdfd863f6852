"""JSON bodies of pages: decoded fast, whatever a server puts between and into the values.

Object columns stay as the bytes that came (``msgspec.Raw``), so numbers keep every digit and
nothing is built that is only written again. It must not know HTTP or streams.
"""

from __future__ import annotations

import codecs
import json
from typing import Any, Generic, TypeVar

import msgspec

from dimagi_api.errors import ShapeError

T = TypeVar("T")

CHECK_BYTES = 1 << 16


class Body(Generic[T]):
    """Reads bodies of one shape.

    Args:
        shape: A msgspec type for the whole body. Fields typed ``msgspec.Raw`` come out compact,
            on one line.
        shape_text: What the shape needs, in words for a person.
    """

    def __init__(self, shape: type[T], shape_text: str) -> None:
        self._decoder = msgspec.json.Decoder(shape)
        self._needs = shape_text

    def __call__(self, body: bytes) -> T:
        """Return the body's value.

        Raises:
            ShapeError: It is JSON, but not of this shape.
            msgspec.DecodeError: It is no JSON.
        """
        text = one_line(body)
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError:
            raise ShapeError(f"it needs {self._needs}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._decode_by_library(text)

    def _decode_by_library(self, text: bytes) -> T:
        """Read what the strict decoder refuses but Python's takes: lone surrogates, NaN."""
        try:
            clean = msgspec.json.encode(_without_surrogates(json.loads(text)))
        except (ValueError, RecursionError):
            raise msgspec.DecodeError("no JSON") from None
        try:
            return self._decoder.decode(clean)
        except msgspec.ValidationError:
            raise ShapeError(f"it needs {self._needs}.") from None


def one_line(body: bytes) -> bytes:
    """Return JSON without line breaks between its values, since a message is one line."""
    text = body.strip()
    if not text.isascii():
        # The decoder does not look inside values that it leaves as they are.
        check = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, len(text), CHECK_BYTES):
            check.decode(text[start : start + CHECK_BYTES])
        check.decode(b"", final=True)
    if b"\n" in text or b"\r" in text:
        return msgspec.json.format(text, indent=-1)
    return text


def _without_surrogates(value: Any) -> Any:
    """Return a JSON value in which half characters are replaced, as UTF-8 cannot hold them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {
            _without_surrogates(name): _without_surrogates(item) for name, item in value.items()
        }
    return value
