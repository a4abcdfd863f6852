"""Forms, and the cases that they touch."""

from __future__ import annotations

from tap_common.stream import ApiStream

from tap_commcare import schemas as s


class FormsStream(ApiStream):
    """Submitted forms, oldest change first; an edited or archived form comes again."""

    name = "forms"
    key = ("form_id",)
    replication_key = "indexed_on"
    columns = {  # noqa: RUF012 - never changed
        "form_id": s.key("Identity of the submission; an edit keeps it."),
        "domain": s.DOMAIN,
        "xmlns": s.text("Type of the form."),
        "app_id": s.text("Application that the form belongs to."),
        "build_id": s.text("Version of the application that it was filled in with."),
        "received_on": s.moment("When the server received the form."),
        "server_modified_on": s.moment("When the server last changed the form."),
        "indexed_on": s.moment("When the form became visible to the API."),
        "edited_on": s.moment("When the form was edited, if ever."),
        "archived": s.flag("Whether the form was archived, which undoes what it did."),
        "user_id": s.text("User who filled it in."),
        "username": s.text("Name of that user."),
        "time_start": s.moment("When the form was opened, by the phone's clock."),
        "time_end": s.moment("When the form was completed, by the phone's clock."),
        "form_data": s.json_object("The answers, as submitted."),
        "metadata": s.json_object("Device, application version, location and the like."),
        "attachments": s.json_object("Attached files: type, length and address of each."),
        "form_type": s.text("What the root of the form is called, usually data."),
        "form_version": s.text("Version of the form, as its designer counts."),
        "ui_version": s.text("Version of the form's layout."),
        "submit_ip": s.text("Network address that the form was sent from."),
        "problem": s.text("What the server noticed while it took the form."),
        "edited_by_user_id": s.text("User who edited the submission, if ever."),
        "is_phone_submission": s.flag("Whether it came from a phone, not from the web."),
        "initial_processing_complete": s.flag("Whether the server has taken all of its changes."),
        "case_ids": s.json_array("The cases that the form touches.", s.key("A case_id.")),
    }


class FormCasesStream(ApiStream):
    """What each form does to each case that it touches, at any depth."""

    name = "form_cases"
    key = ("form_id", "case_id")
    replication_key = "indexed_on"
    columns = {  # noqa: RUF012 - never changed
        "form_id": s.key("The form."),
        "case_id": s.key("A case that it touches."),
        "domain": s.DOMAIN,
        "indexed_on": s.moment("When the form became visible to the API."),
        "is_created": s.flag("Whether the form creates the case."),
        "is_updated": s.flag("Whether the form changes properties of the case."),
        "is_closed": s.flag("Whether the form closes the case."),
        "path": s.text("Where the case's first block stands, as a JSON pointer into form_data."),
    }
