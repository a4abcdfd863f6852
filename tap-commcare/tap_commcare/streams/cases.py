"""Cases."""

from __future__ import annotations

from tap_common.stream import ApiStream

from tap_commcare import schemas as s


class CasesStream(ApiStream):
    """Cases as they stand now, oldest change first.

    A case that changes during the read comes twice, the later one last. HQ may move ``indexed_on``
    forward by itself, and then repeats cases that did not change.
    """

    name = "cases"
    key = ("case_id",)
    replication_key = "indexed_on"
    columns = {  # noqa: RUF012 - never changed
        "case_id": s.key("Identity of the case; any text."),
        "domain": s.DOMAIN,
        "case_type": s.text("Type of the case, such as patient."),
        "case_name": s.text("Name of the case."),
        "external_id": s.text("Identity of the case in another system."),
        "owner_id": s.text("User, group or location that owns the case."),
        "date_opened": s.moment("When the case was opened, by the phone's clock."),
        "last_modified": s.moment("When the case was last changed, by the phone's clock."),
        "server_last_modified": s.moment("When the server received the last change."),
        "indexed_on": s.moment("When the case became visible to the API."),
        "closed": s.flag("Whether the case is closed."),
        "date_closed": s.moment("When the case was closed."),
        "properties": s.json_object("All other properties, as text; an empty one was cleared."),
        "indices": s.json_object("Other cases that the case refers to, by the reference's name."),
        "is_deprecated": s.flag("Whether the case type is deprecated, where the server says so."),
        "opened_by": s.text("User who opened the case; case_api v1 only."),
        "closed_by": s.text("User who closed the case; case_api v1 only."),
        "user_id": s.text("User who last changed the case; case_api v1 only."),
        "server_date_opened": s.moment("When the server first saw it; case_api v1 only."),
        "xform_ids": s.json_array("Forms that changed it; case_api v1 only.", s.key("A form_id.")),
    }
