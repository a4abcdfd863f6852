"""Merges two changes of a text line by line, as ``diff3`` does: a file's owner, and a new version.

What only one of them changed is taken. Where both changed the same lines, the owner's stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A merged text, and what could not be merged into it."""

    text: str
    conflicts: tuple[str, ...] = ()
    """The lines of the new version that are not in the text, one string per place."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Lines that are equal in all three texts: where they begin, and how many there are."""

    base: int
    own: int
    new: int
    length: int


def merge(base: str, own: str, new: str) -> Merged:
    """Return ``own`` with the changes from ``base`` to ``new``."""
    lines = [text.splitlines(keepends=True) for text in (base, own, new)]
    merged: list[str] = []
    conflicts: list[str] = []
    at = Span(base=0, own=0, new=0, length=0)
    for equal in _equal_spans(*lines):
        former = lines[0][at.base : equal.base]
        mine = lines[1][at.own : equal.own]
        theirs = lines[2][at.new : equal.new]
        if mine == former:
            merged += theirs
        else:
            merged += mine
            if theirs not in (former, mine):
                conflicts.append("".join(theirs))
        merged += lines[1][equal.own : equal.own + equal.length]
        at = Span(
            base=equal.base + equal.length,
            own=equal.own + equal.length,
            new=equal.new + equal.length,
            length=0,
        )
    return Merged(text="".join(merged), conflicts=tuple(conflicts))


def _equal_spans(base: Sequence[str], own: Sequence[str], new: Sequence[str]) -> Iterator[Span]:
    """Yield the spans in order, and at last an empty one at the end of the texts."""
    to_own, to_new = _matches(base, own), _matches(base, new)
    at = 0
    while at < len(base):
        length = 0
        while (
            at + length < len(base)
            and to_own.get(at + length) == to_own.get(at, -1) + length
            and to_new.get(at + length) == to_new.get(at, -1) + length
        ):
            length += 1
        if length:
            yield Span(base=at, own=to_own[at], new=to_new[at], length=length)
        at += length or 1
    yield Span(base=len(base), own=len(own), new=len(new), length=0)


def _matches(base: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """Return the lines of ``base`` that ``other`` has too, with their place there."""
    blocks = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return {each.a + at: each.b + at for each in blocks for at in range(each.size)}
