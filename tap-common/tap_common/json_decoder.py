"""Decodes the JSON bodies of pages, fast and exactly.

Object columns remain bytes (``msgspec.Raw``), so numbers keep every digit, and nothing is built
only to be encoded again. This module knows neither HTTP nor streams.
"""

from __future__ import annotations

import codecs
import json
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from tap_common.errors import UnexpectedResponseError
from tap_common.omissions import OMISSIONS

T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)

CHECK_BYTES = 1 << 16
TOO_DEEP = "it is nested too deeply."


@dataclass(frozen=True)
class KnownProperties(Generic[R]):
    """The known properties of the rows of a page; unknown ones are counted.

    Args:
        stream: The stream under which they are counted.
        row: The struct of a row.
        page_of: Returns the type of a page of such rows.
        rows_of: Returns the rows of a page.
        no_column: Properties that a record repeats in another form. Rows that have them still
            take the fast path, at the price of a field for each.
        not_counted: Other properties that are not reported.
    """

    stream: str
    row: type[R]
    page_of: Callable[[Any], Any]
    rows_of: Callable[[Any], Iterable[Mapping[str, Any]]]
    no_column: Collection[str] = ()
    not_counted: Collection[str] = ()

    def strict(self) -> msgspec.json.Decoder[Any]:
        """Return a decoder that raises if a row has an unknown property."""
        fields: dict[str, Any] = dict.fromkeys(self.no_column, msgspec.UNSET)
        fields["__annotations__"] = dict.fromkeys(self.no_column, Any)
        strict = types.new_class(
            self.row.__name__,
            (self.row,),
            {"forbid_unknown_fields": True},
            lambda namespace: namespace.update(fields),
        )
        return msgspec.json.Decoder(self.page_of(strict))

    def count(self, page: bytes) -> None:
        """Count the unknown properties of a page's rows."""
        known = {*self.row.__struct_encode_fields__, *self.no_column, *self.not_counted}
        decode = msgspec.json.Decoder(self.page_of(dict[str, msgspec.Raw])).decode
        for row in self.rows_of(decode(page)):
            if unknown := row.keys() - known:
                OMISSIONS.unknown(self.stream, unknown)


def _count_nothing() -> None:
    """Do nothing: all properties are known."""


@dataclass(frozen=True)
class DecodedBody(Generic[T]):
    """A body's value, and a function that counts the unknown properties of its rows."""

    value: T
    count: Callable[[], None] = _count_nothing


def _as_written(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


EXACT_DECODER = json.JSONDecoder(
    parse_int=_as_written, parse_float=_as_written, parse_constant=lambda _: None
)
"""Python's JSON decoder; numbers keep all digits, NaN and Infinity become null."""


class JsonDecoder(Generic[T]):
    """Decodes bodies of one shape.

    Args:
        shape: A msgspec type for the whole body. Fields typed ``msgspec.Raw`` are compact, on one
            line.
        expected: What the shape requires, for messages.
        known: How unknown properties are counted; by default they are ignored.
    """

    def __init__(
        self, shape: type[T], expected: str, known: KnownProperties[Any] | None = None
    ) -> None:
        self._decoder = msgspec.json.Decoder(shape)
        self._expected = expected
        self._known = known
        # Nearly all pages have no unknown property; for these the strict decoder costs nothing.
        self._strict = known.strict() if known else None

    def __call__(self, body: bytes) -> T:
        """Return the body's value, and count the unknown properties of its rows.

        Raises:
            UnexpectedResponseError: It is JSON, but not of this shape.
            msgspec.DecodeError: It is not JSON.
        """
        page = self.read(body)
        page.count()
        return page.value

    def read(self, body: bytes) -> DecodedBody[T]:
        """Return the body's value, with a function that counts unknown properties.

        Raises:
            UnexpectedResponseError: It is JSON, but not of this shape.
            msgspec.DecodeError: It is not JSON.
        """
        text = to_single_line(body)
        try:
            return self._decoded(text)
        except msgspec.ValidationError:
            raise self._wrong_shape() from None
        except RecursionError:
            raise UnexpectedResponseError(TOO_DEEP) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._decode_by_library(text)

    def _decoded(self, text: bytes) -> DecodedBody[T]:
        if self._known is None or self._strict is None:
            return DecodedBody(self._decoder.decode(text))
        try:
            return DecodedBody(self._strict.decode(text))
        except msgspec.ValidationError:
            return DecodedBody(self._decoder.decode(text), partial(self._known.count, text))

    def _decode_by_library(self, text: bytes) -> DecodedBody[T]:
        """Decode JSON that msgspec rejects and Python accepts: lone surrogates, NaN."""
        try:
            clean = msgspec.json.encode(
                replace_surrogates(EXACT_DECODER.decode(text.decode("utf-8-sig")))
            )
        except RecursionError:
            raise UnexpectedResponseError(TOO_DEEP) from None
        except ValueError:
            raise msgspec.DecodeError("not JSON") from None
        try:
            return self._decoded(clean)
        except msgspec.ValidationError:
            raise self._wrong_shape() from None

    def _wrong_shape(self) -> UnexpectedResponseError:
        return UnexpectedResponseError(f"expected {self._expected}.")


def to_single_line(body: bytes) -> bytes:
    """Return JSON without line breaks between its values, because a message is one line."""
    text = body.strip()
    if not text.isascii():
        # msgspec does not check the encoding inside values that remain bytes.
        check = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, len(text), CHECK_BYTES):
            check.decode(text[start : start + CHECK_BYTES])
        check.decode(b"", final=True)
    if b"\n" in text or b"\r" in text:
        try:
            return msgspec.json.format(text, indent=-1)
        except RecursionError:
            raise UnexpectedResponseError(TOO_DEEP) from None
    return text


def replace_surrogates(value: Any) -> Any:
    """Return a JSON value with lone surrogates replaced, because UTF-8 cannot encode them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {replace_surrogates(name): replace_surrogates(item) for name, item in value.items()}
    return value
