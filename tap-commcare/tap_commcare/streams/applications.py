"""Applications, and what is told by them: case types, form definitions, questions."""

from __future__ import annotations

from tap_common.stream import ApiStream

from tap_commcare import schemas as s


class ApplicationsStream(ApiStream):
    """Applications as they are being edited, with modules, forms and questions."""

    name = "applications"
    key = ("id",)
    columns = {  # noqa: RUF012 - never changed
        "id": s.key("Identity of the application."),
        "domain": s.DOMAIN,
        "name": s.text("Name."),
        # Not `version`: SQLAlchemy keeps that name in the soft delete of SDK targets for itself.
        "app_version": s.integer("Number of the version being edited."),
        "is_released": s.flag("Whether it is released."),
        "built_on": s.moment("When it was built; null for the working copy."),
        "build_comment": s.text("Comment of the build."),
        "built_from_app_id": s.text("Application that it was built from."),
        "versions": s.json_array("Its builds."),
        "modules": s.json_array("Its modules, as the API writes them."),
    }


class CaseTypesStream(ApiStream):
    """Case types that any module uses."""

    name = "case_types"
    key = ("name",)
    columns = {  # noqa: RUF012 - never changed
        "name": s.key("The case type."),
        "domain": s.DOMAIN,
        "apps": s.json_array("Applications that use it: id and name."),
        "modules": s.json_array("Modules that use it: app_id, unique_id and name."),
        "properties": s.json_array("Properties that these modules know.", s.key("A property.")),
    }


class FormDefinitionsStream(ApiStream):
    """Forms as the applications define them; one row for each xmlns of an application."""

    name = "form_definitions"
    key = ("app_id", "xmlns")
    columns = {  # noqa: RUF012 - never changed
        "app_id": s.key("The application."),
        "xmlns": s.key("The type of form."),
        "domain": s.DOMAIN,
        "app_name": s.text("Name of the application."),
        "name": s.text("Name of the form: in English, or in the first language there is."),
        "names": s.json_object("Name of the form by language."),
        "case_type": s.text("Case type of the first module that it stands in."),
        "uses": s.json_array("Every place where a form of this type stands."),
    }


class FormQuestionsStream(ApiStream):
    """Questions of the forms."""

    name = "form_questions"
    key = ("app_id", "xmlns", "path")
    columns = {  # noqa: RUF012 - never changed
        "app_id": s.key("The application."),
        "xmlns": s.key("The type of form."),
        "path": s.key("Path of the question, such as /data/group/question."),
        "domain": s.DOMAIN,
        "position": s.integer("Place in the form, from 0."),
        "type": s.text("Kind of answer, such as Text or Select."),
        "tag": s.text("Kind of control, such as input, select1, group, repeat."),
        "label": s.text("Label in the default language."),
        "translations": s.json_object("Label by language."),
        "group": s.text("Path of the group around it."),
        "repeat": s.text("Path of the repeat around it."),
        "is_group": s.flag("Whether it is a group."),
        "is_required": s.flag("Whether an answer is required."),
        "relevant": s.text("Condition under which it is asked."),
        "constraint": s.text("Condition that the answer must meet."),
        "setvalue": s.text("Value that is set when the form opens."),
        "comment": s.text("Comment of the author."),
        "hashtag": s.text("Its short name in expressions."),
        "options": s.json_array("Choices: value and label."),
        "data_source": s.json_object("Lookup table that the choices come from."),
    }
