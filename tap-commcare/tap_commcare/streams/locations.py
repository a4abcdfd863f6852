"""Locations and their types."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare.streams.base import DOMAIN, ListStream, integer_reference, reference


class LocationsStream(ListStream):
    """Locations that are not archived. Archiving leaves no trace in the API."""

    name = "locations"
    path = "location/v1"
    key = ("location_id",)
    replication_key = "last_modified"
    columns = {
        "location_id": c.key("Id of the location; as owner_id it owns cases."),
        "domain": DOMAIN,
        "id": c.integer("Number of the location within HQ."),
        "name": c.text("Name."),
        "site_code": c.text("Code, unique in the project space."),
        "external_id": c.text("Id in another system."),
        "latitude": c.number("Degrees north."),
        "longitude": c.number("Degrees east."),
        "created_at": c.timestamp("When it was created."),
        "last_modified": c.timestamp("When it was last changed."),
        "location_type_id": integer_reference(
            "Its type: id in location_types.", source="location_type"
        ),
        "parent_location_id": reference("The location above it.", source="parent"),
        "location_data": c.json_object("Fields that the project space defines for locations."),
    }


class LocationTypesStream(ListStream):
    """Types of locations."""

    name = "location_types"
    path = "location_type/v1"
    key = ("id",)
    columns = {
        "id": c.key_integer("Number of the type."),
        "domain": DOMAIN,
        "name": c.text("Name."),
        "code": c.text("Code."),
        "parent_id": integer_reference("The type above it.", source="parent"),
        "administrative": c.boolean("Whether it is an administrative level."),
        "shares_cases": c.boolean("Whether its locations share the ownership of cases."),
        "view_descendants": c.boolean("Whether users see the cases of locations below."),
    }
