"""Locations and their types."""

from __future__ import annotations

from typing import ClassVar

from tap_common.stream import ApiStream

from tap_commcare.columns import (
    FLAG,
    INTEGER,
    INTEGER_KEY,
    INTEGER_REFERENCE,
    KEY,
    MOMENT,
    NUMBER,
    OBJECT,
    REFERENCE,
    TEXT,
    Field,
    columns,
)

LOCATIONS = (
    Field("location_id", KEY, "Identity of the location; owns cases as owner_id."),
    Field("id", INTEGER, "Number of the location within HQ."),
    Field("name", TEXT, "Name."),
    Field("site_code", TEXT, "Code, unique in the project space."),
    Field("external_id", TEXT, "Identity in another system."),
    Field("latitude", NUMBER, "Degrees north."),
    Field("longitude", NUMBER, "Degrees east."),
    Field("created_at", MOMENT, "When it was created."),
    Field("last_modified", MOMENT, "When it was last changed."),
    Field(
        "location_type_id", INTEGER_REFERENCE, "Its type: id in location_types.", "location_type"
    ),
    Field("parent_location_id", REFERENCE, "The location above it.", "parent"),
    Field("location_data", OBJECT, "Fields that the project space defines for locations."),
)

LOCATION_TYPES = (
    Field("id", INTEGER_KEY, "Number of the type."),
    Field("name", TEXT, "Name."),
    Field("code", TEXT, "Code."),
    Field("parent_id", INTEGER_REFERENCE, "The type above it.", "parent"),
    Field("administrative", FLAG, "Whether it is an administrative level."),
    Field("shares_cases", FLAG, "Whether its locations own cases together."),
    Field("view_descendants", FLAG, "Whether users see the cases of locations below."),
)


class LocationsStream(ApiStream):
    """Locations that are not archived. Archiving leaves no trace in the API."""

    name = "locations"
    key = ("location_id",)
    replication_key = "last_modified"
    columns: ClassVar = columns(LOCATIONS)


class LocationTypesStream(ApiStream):
    """Types of locations."""

    name = "location_types"
    key = ("id",)
    columns: ClassVar = columns(LOCATION_TYPES)
