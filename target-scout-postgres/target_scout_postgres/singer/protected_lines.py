"""Leaves columns out of lines, or replaces their values by hashes, before anything else reads them.

What must not arrive reaches no table, reject, log or stream map: everything behind this module sees
protected records only. Streams without a rule pass unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from target_scout_postgres import logs
from target_scout_postgres.errors import DataError, InvalidRecordError, SettingsError
from target_scout_postgres.singer import column_rules
from target_scout_postgres.singer.column_rules import Node, Rule, matches
from target_scout_postgres.singer.messages import (
    LineMapper,
    MappedLines,
    Message,
    UnmappedRecord,
    decode,
    decode_part,
)
from target_scout_postgres.singer.record_json import ENCODER, decode_record, not_applicable
from target_scout_postgres.suggestions import ALMOST_EQUAL, closest, with_suggestions

if TYPE_CHECKING:
    from collections.abc import Iterable

WHAT = "exclude_columns or hash_columns"
EXTRA = "column_rules"
"""The name under which JSON lines hold which rules have matched, and which have not."""


class Unprotected(NamedTuple):
    """A record to which the rules cannot be applied; it must not be stored as it came."""

    stream: str
    reason: InvalidRecordError


class ProtectedStream:
    """A stream with rules."""

    def __init__(self, name: str, rules: Sequence[Rule]) -> None:
        self.name = name
        self.rules = rules
        self.node: Node = column_rules.root(rules)
        self.has_schema = False
        self.has_records = False

    def check(self, schema: Mapping[str, Any], key: Iterable[Any], bookmarks: Any) -> None:
        """Check the rules against a SCHEMA, before any record.

        Raises:
            SettingsError: A rule names a column that does not exist, or that the stream needs.
        """
        columns = schema["properties"]
        named = (each.column for each in self.rules if not each.is_for_several)
        wrong = {name for name in named if name is not None} - columns.keys()
        # A column whose name has dots is named like a path.
        wrong = {name for name in wrong if not any(each.startswith(f"{name}.") for each in columns)}
        if wrong:
            raise SettingsError(
                f"{WHAT}: the stream {self.name} has no column "
                f"{with_suggestions(wrong, columns)}. Correct the rule; nothing was loaded."
            )
        self._refuse([name for name in key if self._is(name, is_hash=False)], "key", "left out")
        bookmarks = bookmarks if isinstance(bookmarks, list) else []
        names = [name for name in bookmarks if self._is(name)]
        self._refuse(names, "bookmark, which the state holds", "left out or hashed")

    def _is(self, name: Any, *, is_hash: bool | None = None) -> bool:
        rule, _ = self.node.member(str(name))
        return rule is not None and is_hash in (None, rule.is_hash)

    def _refuse(self, names: Sequence[str], what: str, how: str) -> None:
        if names:
            raise SettingsError(
                f"{WHAT}: {', '.join(map(str, names))} of the stream {self.name} is its {what}, "
                f"and cannot be {how}. Correct the rule; nothing was loaded."
            )


class LineProtector:
    """Applies the rules to lines, then stream maps if there are any.

    Args:
        exclude: By stream, the paths of what is left out.
        hash_: By stream, the paths of what is hashed.
        key: The key of the hashes.
        inner: What applies stream maps and flattening.
    """

    def __init__(
        self,
        exclude: Mapping[str, Sequence[str]],
        hash_: Mapping[str, Sequence[str]],
        key: str | None,
        inner: LineMapper | None,
    ) -> None:
        self._rules = {
            pattern: [
                Rule(path, is_hash=rules is hash_, stream=pattern)
                for rules in (exclude, hash_)
                for path in rules.get(pattern, ())
            ]
            for pattern in {*exclude, *hash_}
        }
        self._hasher = column_rules.hasher_of(key or "")
        self._inner = inner
        self._streams: dict[str, ProtectedStream | None] = {}

    def map_lines(
        self, lines: Sequence[bytes], number: int
    ) -> Iterator[MappedLines | UnmappedRecord]:
        """Yield the lines to load instead, and the records that could not be protected."""
        run = MappedLines(number, [])
        for here, line in enumerate(lines, start=number):
            try:
                protected = self._protected(line, here)
            except DataError:
                yield from self._mapped(run)
                raise
            if isinstance(protected, bytes):
                run.lines.append(protected)
                continue
            # First what precedes it: the maps of a stream are known after its SCHEMA.
            yield from self._mapped(run)
            for name in self.mapped_streams(protected.stream):
                yield UnmappedRecord(here, name, protected.reason)
            run = MappedLines(here + 1, [])
        yield from self._mapped(run)

    def mapped_streams(self, stream: str) -> Sequence[str]:
        """Return the streams that a stream of the tap is mapped to."""
        return [stream] if self._inner is None else self._inner.mapped_streams(stream)

    def tap_stream(self, stream: str) -> str:
        """Return the tap's name of a stream, which its STATE uses."""
        return stream if self._inner is None else self._inner.tap_stream(stream)

    def log_outcomes(self) -> None:
        """Warn of rules that matched nothing: their names may be mistyped.

        A stream of which no record came says nothing about its rules.
        """
        matched: list[str] = []
        unmatched: list[str] = []
        for pattern, rules in sorted(self._rules.items()):
            self._warn(pattern, rules)
            has_records = any(each.has_records for each in self._streams_of(pattern))
            matched += [f"{pattern}.{rule.path}" for rule in rules if rule.is_used]
            if has_records:
                unmatched += [f"{pattern}.{rule.path}" for rule in rules if not rule.is_used]
        counts = f"{len(matched)} matched, {len(unmatched)} did not"
        logs.info(f"{WHAT}: {counts}", {EXTRA: {"matched": matched, "unmatched": unmatched}})

    def _warn(self, pattern: str, rules: Sequence[Rule]) -> None:
        came = self._streams_of(pattern)
        unused = sorted(rule.path for rule in rules if not rule.is_used)
        if not came and (meant := closest(pattern, self._streams, ALMOST_EQUAL)):
            logs.warning(f"{WHAT}: no stream {pattern} came (did you mean {meant}?)")
        elif unused and any(each.has_records for each in came):
            logs.warning(f"{WHAT}: nothing in the stream {pattern} matched {', '.join(unused)}")

    def _streams_of(self, pattern: str) -> list[ProtectedStream]:
        return [each for name, each in self._streams.items() if each and matches(pattern, name)]

    def _mapped(self, run: MappedLines) -> Iterator[MappedLines | UnmappedRecord]:
        if self._inner is None:
            yield run
        else:
            yield from self._inner.map_lines(run.lines, run.number)

    def _protected(self, line: bytes, number: int) -> bytes | Unprotected:
        """Return the line to load instead, or why it cannot be loaded."""
        if not line or line.isspace():
            return line
        message = decode(line, number)
        stream = self._stream(message.stream or "")
        if stream is None:
            return line
        if message.type == "SCHEMA":
            return self._schema(stream, message, line, number)
        if message.type != "RECORD" or not message.record:
            return line
        return self._record(stream, message)

    def _record(self, stream: ProtectedStream, message: Message) -> bytes | Unprotected:
        if not stream.has_schema:  # its own error says so, and needs no record
            return ENCODER.encode({"type": "RECORD", "stream": stream.name, "record": {}})
        stream.has_records = True
        try:
            record = decode_record(message.record, WHAT)
            return _encoded(message, column_rules.protect_record(record, stream.node, self._hasher))
        except RecursionError as too_deep:
            error = not_applicable(WHAT, too_deep)
        except InvalidRecordError as invalid:
            error = invalid
        return Unprotected(stream.name, error)

    def _stream(self, name: str) -> ProtectedStream | None:
        if name not in self._streams:
            rules = [
                rule
                for pattern, of_pattern in self._rules.items()
                if matches(pattern, name)
                for rule in of_pattern
            ]
            self._streams[name] = ProtectedStream(name, rules) if rules else None
        return self._streams[name]

    def _schema(self, stream: ProtectedStream, message: Message, line: bytes, number: int) -> bytes:
        schema = decode_part(message.schema, number)
        if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            return line  # invalid: its own error says so
        key = decode_part(message.key_properties, number)
        bookmarks = decode_part(message.bookmark_properties, number)
        stream.check(schema, key if isinstance(key, list) else (), bookmarks)
        stream.has_schema = True
        protected = {
            "type": "SCHEMA",
            "stream": stream.name,
            "schema": column_rules.protect_schema(schema, stream.node),
            "key_properties": key,
        }
        return ENCODER.encode(protected | ({"bookmark_properties": bookmarks} if bookmarks else {}))


def _encoded(message: Message, record: dict[str, Any]) -> bytes:
    whole = {"type": message.type, "stream": message.stream, "record": record}
    rest = {"version": message.version, "time_extracted": message.time_extracted}
    return ENCODER.encode(whole | {name: raw for name, raw in rest.items() if raw})
