"""Forms, and what they do to cases."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare.streams.base import DOMAIN, HQStream


class FormsStream(HQStream):
    """Submitted forms by time of their last change; edited and archived ones are emitted again."""

    name = "forms"
    path = "form/v1"
    key = ("form_id",)
    replication_key = "indexed_on"
    columns = {
        "form_id": c.key("Id of the submission; an edit keeps it."),
        "domain": DOMAIN,
        "xmlns": c.text("Type of the form."),
        "app_id": c.text("Application that the form belongs to."),
        "build_id": c.text("Version of the application in which it was filled in."),
        "received_on": c.timestamp("When the server received the form."),
        "server_modified_on": c.timestamp("When the server last changed the form."),
        "indexed_on": c.timestamp("When the form became visible to the API."),
        "edited_on": c.timestamp("When the form was last edited."),
        "archived": c.boolean("Whether the form was archived, which reverts its changes."),
        "user_id": c.text("User who filled it in."),
        "username": c.text("Name of that user."),
        "time_start": c.timestamp("When the form was opened, by the phone's clock."),
        "time_end": c.timestamp("When the form was completed, by the phone's clock."),
        "form_data": c.json_object("The answers, as submitted."),
        "metadata": c.json_object("Device, application version, location and so on."),
        "attachments": c.json_object("Attached files: type, length and address of each."),
        "form_type": c.text("Name of the form's root element, usually data."),
        "form_version": c.text("Version of the form."),
        "ui_version": c.text("Version of the form's layout."),
        "submit_ip": c.text("IP address from which the form was sent."),
        "problem": c.text("Problem that the server found in the form."),
        "edited_by_user_id": c.text("User who last edited the submission."),
        "is_phone_submission": c.boolean("Whether it came from a phone, not from the web."),
        "initial_processing_complete": c.boolean(
            "Whether the server has processed all of its changes."
        ),
        "case_ids": c.json_array(
            "The cases that the form changes or mentions.", c.key("A case_id.")
        ),
    }


class FormCasesStream(HQStream):
    """What each form does to each case, at any depth of the form."""

    name = "form_cases"
    path = "form/v1"
    key = ("form_id", "case_id")
    replication_key = "indexed_on"
    columns = {
        "form_id": c.key("The form."),
        "case_id": c.key("A case that it changes or mentions."),
        "domain": DOMAIN,
        "indexed_on": c.timestamp("When the form became visible to the API."),
        "is_created": c.boolean("Whether the form creates the case."),
        "is_updated": c.boolean("Whether the form changes properties of the case."),
        "is_closed": c.boolean("Whether the form closes the case."),
        "path": c.text("Where the case's first block is, as a JSON pointer into form_data."),
    }
