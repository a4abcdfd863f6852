"""What a soak of the target loads: taps that resume from a STATE, and what their tables must hold.

A workload knows its records by number, so that any prefix of its input can be said again. It judges
rows that somebody else has read; it knows neither processes nor connections.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zlib import crc32

import msgspec

PAGE = 40  # records between two STATE messages
STREAMS = ("even", "odd")
NEW_COLUMN_EVERY = 3_000  # records; the schema changes while records flow
TEXTS = (
    "",
    "plain",
    'tab\t quote" backslash\\ newline\n',
    "\N{SNOWMAN} \N{GRINNING FACE}",
    "x" * 90,
)
PROPERTIES = {
    "id": {"type": "string"},
    "n": {"type": "integer"},
    "amount": {"type": ["number", "null"]},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "text": {"type": ["string", "null"]},
    "data": {"type": ["object", "array", "null"]},
}
ENCODER = msgspec.json.Encoder(decimal_format="number")
Rows = dict[str, Counter[str]]


def encoded(message: dict[str, Any]) -> bytes:
    return ENCODER.encode(message) + b"\n"


def record(salt: str, n: int, ids: int) -> dict[str, Any]:
    """The record of a number: repeated ids, every type, nulls; more columns as numbers grow."""
    mixed = crc32(f"{salt}/{n}".encode())
    found: dict[str, Any] = {"id": f"k{mixed % ids}", "n": n}
    if mixed % 5:
        found["amount"] = Decimal(f"{mixed}.{mixed % 97 + 1}1")
        found["at"] = f"20{mixed % 90 + 10}-0{mixed % 9 + 1}-11T12:{mixed % 50 + 10}:33+00:00"
        found["text"] = TEXTS[mixed % len(TEXTS)]
    if mixed % 3:
        found["data"] = {"mixed": mixed, "list": [None, {"deep": TEXTS[mixed % len(TEXTS)]}]}
    if n >= NEW_COLUMN_EVERY:
        found[f"more_{n // NEW_COLUMN_EVERY}"] = mixed
    return found


def image(values: dict[str, Any]) -> str:
    """One text for a row, the same from a record and from the database; nulls are left out."""
    present = {name: value for name, value in values.items() if value is not None}
    return json.dumps(present, sort_keys=True, default=str)


def row_image(text: str) -> str:
    """The image of a row that the database gave as JSON."""
    values = json.loads(text, parse_float=Decimal)
    return image({name: value for name, value in values.items() if not name.startswith("_sdc_")})


class WrongError(Exception):
    """A table is not what the input says."""


@dataclass
class Workload:
    """A tap, its state, and the tables that it fills."""

    name: str
    settings: dict[str, Any]
    is_keyed: bool
    salt: str
    length: int  # records of one round, or of one generation
    state: dict[str, int] | None = None
    before: Rows = field(default_factory=lambda: {name: Counter() for name in STREAMS})
    lost_acknowledgements: int = 0
    duplicates: int = 0
    interruptions: int = 0  # since the generation began

    def records(self, generation: int, begin: int, end: int) -> list[dict[str, Any]]:
        ids = max(3, self.length // 3)
        return [record(f"{self.salt}{generation}", n, ids) for n in range(begin, end)]

    def images(self, stream: str, generation: int, begin: int, end: int) -> list[tuple[str, str]]:
        """Id and image of the records of one stream, in order."""
        return [
            (one["id"], image(one))
            for one in self.records(generation, begin, end)
            if STREAMS[one["n"] % 2] == stream
        ]

    def pages(
        self, generation: int, begin: int, version: int | None
    ) -> Iterator[tuple[bytes, dict[str, int]]]:
        """Pages of records, each with the STATE that may follow it."""
        extra = {} if version is None else {"version": version}
        for first in range(begin, self.length, PAGE):
            lines = []
            if first == begin or first // NEW_COLUMN_EVERY != (first - PAGE) // NEW_COLUMN_EVERY:
                # A page must not cross a border: PAGE divides NEW_COLUMN_EVERY.
                lines += [self.schema(stream, first) for stream in STREAMS]
            end = min(first + PAGE, self.length)
            for one in self.records(generation, first, end):
                stream = STREAMS[one["n"] % 2]
                lines.append(encoded({"type": "RECORD", "stream": stream, "record": one} | extra))
            yield b"".join(lines), {"generation": generation, "position": end}

    def schema(self, stream: str, n: int) -> bytes:
        """The SCHEMA as it is when the record n is written."""
        more = {
            f"more_{k}": {"type": ["integer", "null"]} for k in range(1, n // NEW_COLUMN_EVERY + 1)
        }
        has_key = self.is_keyed or self.settings.get("load_method") == "append-only"
        return encoded(
            {
                "type": "SCHEMA",
                "stream": stream,
                "schema": {"type": "object", "properties": PROPERTIES | more},
                "key_properties": ["id"] if has_key else [],
            }
        )

    def place(self) -> tuple[int, int]:
        """Generation and position where the tap goes on."""
        found = self.state or {"generation": 1, "position": 0}
        return found["generation"], found["position"]

    def took(self, state: dict[str, int]) -> None:
        if self.state is not None and key(state) < key(self.state):
            raise WrongError(f"STATE went back from {self.state} to {state}")
        self.state = state


def key(state: dict[str, int]) -> tuple[int, int]:
    return state["generation"], state["position"]


def state_line(state: dict[str, int]) -> bytes:
    return encoded({"type": "STATE", "value": state})


class Adding(Workload):
    """One long stream of records: upsert, append-only, or without a key."""

    def messages(self) -> Iterator[bytes]:
        generation, begin = self.place()
        for page, state in self.pages(generation, begin, None):
            yield page + state_line(state)

    @property
    def is_complete(self) -> bool:
        return self.place()[1] >= self.length

    def judge(self, begin: tuple[int, int], found: Rows, *, is_drained: bool) -> None:
        """Demand that the tables are what they were and a prefix of what was sent since then."""
        ends = set()
        for stream in STREAMS:
            ends.add(self._judge_one(stream, begin[1], found[stream]))
        if not self.is_keyed:
            self._judge_ends(ends, is_drained=is_drained)
        self.before = found

    def _judge_ends(self, ends: set[int], *, is_drained: bool) -> None:
        """Rows without key show with the STATE that covers them: of all streams at once."""
        covered = self.place()[1]
        beyond = any(end > covered for end in ends)
        if len(ends) != 1 or (beyond and is_drained):
            raise WrongError(
                f"{self.name}: rows without key up to {ends}, the last STATE {covered}"
            )
        self.lost_acknowledgements += beyond

    def _judge_one(self, stream: str, begin: int, found: Counter[str]) -> int:
        covered = self.place()[1]
        if self.is_keyed:
            return self._judge_keyed(stream, begin, covered, found)
        expected = self.before[stream].copy()
        at = begin
        while True:
            if at >= covered and expected == found:
                return at
            if at >= self.length:
                raise WrongError(f"{self.name}: {stream} is no prefix; STATE {covered}")
            end = min(at + PAGE, self.length)
            expected.update(text for _, text in self.images(stream, 1, at, end))
            at = end

    def _judge_keyed(self, stream: str, begin: int, covered: int, found: Counter[str]) -> int:
        expected = {json.loads(text)["id"]: text for text in self.before[stream]}
        actual = {json.loads(text)["id"]: text for text in found}
        if len(actual) != found.total():
            raise WrongError(f"{self.name}: {stream} holds a key twice")
        wrong = {one for one in expected | actual if expected.get(one) != actual.get(one)}
        numbered = [one for one in range(begin, self.length) if STREAMS[one % 2] == stream]
        for n in numbered:
            if n >= covered and not wrong:
                return n
            ((name, text),) = self.images(stream, 1, n, n + 1)
            (wrong.discard if actual.get(name) == text else wrong.add)(name)
        if wrong:
            raise WrongError(f"{self.name}: {stream} is no prefix; STATE {covered}")
        return self.length

    def judge_state(self, state: dict[str, int], found: Rows) -> None:
        """Demand that what a STATE that was just printed covers is there."""
        end = state["position"]
        for stream in STREAMS:
            present = {json.loads(text)["id"]: json.loads(text)["n"] for text in found[stream]}
            for name, text in self.images(stream, 1, max(0, end - PAGE), end):
                there = (
                    present.get(name, -1) >= json.loads(text)["n"]
                    if self.is_keyed
                    else found[stream][text] > 0
                )
                if not there:
                    raise WrongError(f"{self.name}: STATE {end} came before its records")

    def judge_end(self, found: Rows) -> None:
        """Demand that each row is what the input says."""
        for stream in STREAMS:
            texts = self.images(stream, 1, 0, self.length)
            if self.is_keyed:
                expected = Counter(dict(texts).values())
                surplus = found[stream] - expected
            else:
                expected = Counter(text for _, text in texts)
                surplus = Counter()
                self.duplicates += (found[stream] - expected).total()
                if not self.lost_acknowledgements:
                    surplus = found[stream] - expected
            if expected - found[stream] or surplus or found[stream].keys() != expected.keys():
                raise WrongError(f"{self.name}: {stream} is not what the input says")


class Replacing(Workload):
    """Whole tables, one generation after the other: overwrite, and refreshes by version."""

    def messages(self) -> Iterator[bytes]:
        generation, begin = self.place()
        is_versioned = self.settings.get("load_method") != "overwrite"
        version = generation if is_versioned else None
        if begin >= self.length:
            yield b"".join(self.schema(stream, begin) for stream in STREAMS)
        for page, state in self.pages(generation, begin, version):
            yield page + (state_line(state) if is_versioned else b"")
        if is_versioned:
            for stream in STREAMS:
                yield encoded({"type": "ACTIVATE_VERSION", "stream": stream, "version": generation})
        yield state_line({"generation": generation + 1, "position": 0})

    @property
    def is_complete(self) -> bool:
        return self.place()[1] == 0 and self.place()[0] > 1

    def whole(self, stream: str, generation: int) -> Counter[str]:
        if generation == 0:
            return Counter()
        texts = self.images(stream, generation, 0, self.length)
        return Counter(dict(texts).values() if self.is_keyed else (text for _, text in texts))

    def judge(self, begin: tuple[int, int], found: Rows, *, is_drained: bool) -> None:
        """Demand the whole old tables or the whole new ones."""
        generation = begin[0]
        has_state = self.place()[0] > generation
        self.interruptions += not is_drained
        for stream in STREAMS:
            old, new = self.whole(stream, generation - 1), self.whole(stream, generation)
            if found[stream] == new or (
                found[stream] in (old, self.before[stream]) and not has_state
            ):
                self.lost_acknowledgements += found[stream] == new and not has_state
            elif self._is_repeated(found[stream], new, self.before[stream]):
                self.duplicates += (found[stream] - new).total()
                self.lost_acknowledgements += 1
            else:
                lacks, surplus = (new - found[stream]).total(), (found[stream] - new).total()
                raise WrongError(
                    f"{self.name}: {stream} is mixed at {begin}, STATE {self.state}: beside the "
                    f"new table {lacks} rows are missing, {surplus} too many"
                )
        if has_state:
            self.interruptions = 0
        self.before = found

    def _is_repeated(self, found: Counter[str], new: Counter[str], before: Counter[str]) -> bool:
        """Tell whether records were sent once more whose STATE a kill has cut off.

        Without a key such records are there twice: while the version was gathered, or when it was
        active already.
        """
        if not self.is_keyed:
            is_active = not (new - before)
            is_whole = found.keys() == new.keys() and not (new - found)
            return is_whole and (is_active or self.interruptions > 0)
        ids = [{json.loads(text)["id"] for text in rows} for rows in (found, new, before)]
        return ids[0] == ids[1] == ids[2]

    def judge_state(self, state: dict[str, int], found: Rows) -> None:
        """Demand that the generation before that of a STATE is active."""
        for stream in STREAMS:
            lacking = self.whole(stream, state["generation"] - 1) - found[stream]
            if state["position"] == 0 and lacking:
                raise WrongError(f"{self.name}: STATE {state} came before its activation")

    def judge_end(self, found: Rows) -> None:
        generation = self.place()[0] - 1
        for stream in STREAMS:
            new = self.whole(stream, generation)
            is_allowed = not self.is_keyed and self.lost_acknowledgements
            if new - found[stream] or (found[stream] - new and not is_allowed):
                raise WrongError(f"{self.name}: {stream} is not what the input says")


KINDS: tuple[tuple[str, type[Workload], dict[str, Any], bool, int], ...] = (
    # name, kind, settings, whether a key shows in the table, pages
    ("upsert", Adding, {}, True, 400),
    ("upsert, metadata", Adding, {"add_record_metadata": True}, True, 200),
    ("append-only", Adding, {"load_method": "append-only"}, False, 300),
    ("no key", Adding, {}, False, 300),
    ("overwrite", Replacing, {"load_method": "overwrite"}, True, 60),
    ("refresh", Replacing, {}, True, 90),
    ("refresh, soft", Replacing, {"hard_delete": False}, True, 60),
    ("refresh, no key", Replacing, {}, False, 60),
)


def workloads(seed: int) -> dict[str, Workload]:
    """One of each kind, of different lengths."""
    chance = random.Random(seed)
    return {
        name: kind(name, settings, is_keyed, f"{seed}{name}", pages * PAGE + chance.randrange(PAGE))
        for name, kind, settings, is_keyed, pages in KINDS
    }
