"""What a SCHEMA message says of a stream, as far as columns are concerned."""

from __future__ import annotations

import msgspec


class Property(msgspec.Struct, frozen=True):
    """A property of a stream: its column type, and whether it may be missing or null."""

    name: str
    type: str
    required: bool = False
    nullable: bool = True


class StreamSchema(msgspec.Struct, frozen=True):
    """What a SCHEMA message says of a stream, as far as tables are concerned."""

    stream: str
    properties: tuple[Property, ...]
    key: tuple[str, ...]
    has_bookmark: bool = False

    def with_property(self, added: Property) -> StreamSchema:
        """Return the schema with a property more."""
        return msgspec.structs.replace(self, properties=(*self.properties, added))
