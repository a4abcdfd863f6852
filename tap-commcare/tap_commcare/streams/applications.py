"""Applications, and what is derived from them: case types, form definitions, questions."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare.streams.base import DOMAIN, HQStream


class ApplicationsStream(HQStream):
    """Applications as they are being edited, with modules, forms and questions."""

    name = "applications"
    path = "application/v1"
    key = ("id",)
    columns = {
        "id": c.key("Id of the application."),
        "domain": DOMAIN,
        "name": c.text("Name."),
        # Not `version`: SQLAlchemy reserves that name in the soft delete of SDK targets.
        "app_version": c.integer("Number of the version being edited."),
        "is_released": c.boolean("Whether it is released."),
        "built_on": c.timestamp("When it was built; null for the working copy."),
        "build_comment": c.text("Comment of the build."),
        "built_from_app_id": c.text("Application from which it was built."),
        "versions": c.json_array("Its builds."),
        "modules": c.json_array("Its modules, as the API returns them."),
    }


class CaseTypesStream(HQStream):
    """Case types that any module uses."""

    name = "case_types"
    path = "application/v1"
    key = ("name",)
    columns = {
        "name": c.key("The case type."),
        "domain": DOMAIN,
        "apps": c.json_array("Applications that use it: id and name."),
        "modules": c.json_array("Modules that use it: app_id, unique_id and name."),
        "properties": c.json_array("Properties that these modules define.", c.key("A property.")),
    }


class FormDefinitionsStream(HQStream):
    """Forms as the applications define them, one record for each xmlns of an application."""

    name = "form_definitions"
    path = "application/v1"
    key = ("app_id", "xmlns")
    columns = {
        "app_id": c.key("The application."),
        "xmlns": c.key("The type of form."),
        "domain": DOMAIN,
        "app_name": c.text("Name of the application."),
        "name": c.text("Name of the form in English, or else in its first language."),
        "names": c.json_object("Name of the form by language."),
        "case_type": c.text("Case type of the first module that contains it."),
        "uses": c.json_array("Every module that contains a form of this type."),
    }


class FormQuestionsStream(HQStream):
    """Questions of the forms."""

    name = "form_questions"
    path = "application/v1"
    key = ("app_id", "xmlns", "path")
    columns = {
        "app_id": c.key("The application."),
        "xmlns": c.key("The type of form."),
        "path": c.key("Path of the question, such as /data/group/question."),
        "domain": DOMAIN,
        "position": c.integer("Position in the form, from 0."),
        "type": c.text("Type of answer, such as Text or Select."),
        "tag": c.text("Type of control, such as input, select1, group, repeat."),
        "label": c.text("Label in the default language."),
        "translations": c.json_object("Label by language."),
        "group": c.text("Path of the group around it."),
        "repeat": c.text("Path of the repeat around it."),
        "is_group": c.boolean("Whether it is a group."),
        "is_required": c.boolean("Whether an answer is required."),
        "relevant": c.text("Condition under which it is shown."),
        "constraint": c.text("Condition that the answer must satisfy."),
        "setvalue": c.text("Value that is set when the form opens."),
        "comment": c.text("Comment of the author."),
        "hashtag": c.text("Its short name in expressions."),
        "options": c.json_array("Choices: value and label."),
        "data_source": c.json_object("Lookup table that the choices come from."),
    }
