"""The parts of a SCHEMA message that determine the columns of a stream."""

from __future__ import annotations

import msgspec


class Property(msgspec.Struct, frozen=True):
    """A property of a stream: its column type, and whether it may be missing or null."""

    name: str
    type: str
    required: bool = False
    nullable: bool = True


class StreamSchema(msgspec.Struct, frozen=True):
    """The properties and the key of a stream."""

    stream: str
    properties: tuple[Property, ...]
    key: tuple[str, ...]
    has_bookmark: bool = False

    def with_property(self, added: Property) -> StreamSchema:
        """Return a copy of the schema with one more property."""
        return msgspec.structs.replace(self, properties=(*self.properties, added))
