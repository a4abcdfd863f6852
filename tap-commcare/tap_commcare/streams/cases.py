"""Cases."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare.streams.base import DOMAIN, HQStream


class CasesStream(HQStream):
    """Cases in their current state, in the order of their last change.

    A case that changes while it is read is emitted twice, the later version last. HQ may move
    ``indexed_on`` forward without a change, and then repeats such cases.
    """

    name = "cases"
    path = "case/v2"
    key = ("case_id",)
    replication_key = "indexed_on"
    columns = {
        "case_id": c.key("Id of the case; any text."),
        "domain": DOMAIN,
        "case_type": c.text("Type of the case, such as patient."),
        "case_name": c.text("Name of the case."),
        "external_id": c.text("Id of the case in another system."),
        "owner_id": c.text("User, group or location that owns the case."),
        "date_opened": c.timestamp("When the case was opened, by the phone's clock."),
        "last_modified": c.timestamp("When the case was last changed, by the phone's clock."),
        "server_last_modified": c.timestamp("When the server received the last change."),
        "indexed_on": c.timestamp("When the case became visible to the API."),
        "closed": c.boolean("Whether the case is closed."),
        "date_closed": c.timestamp("When the case was closed."),
        "properties": c.json_object("All other properties, as text; an empty one was cleared."),
        "indices": c.json_object("Other cases that the case refers to, by the reference's name."),
        "is_deprecated": c.boolean(
            "Whether the case type is deprecated, where the server says so."
        ),
        "opened_by": c.text("User who opened the case; case_api v1 only."),
        "closed_by": c.text("User who closed the case; case_api v1 only."),
        "user_id": c.text("User who last changed the case; case_api v1 only."),
        "server_date_opened": c.timestamp("When the server first received it; case_api v1 only."),
        "xform_ids": c.json_array("Forms that changed it; case_api v1 only.", c.key("A form_id.")),
    }
