"""The applications of the programme: what forms ask, in which languages, of which case types."""

from __future__ import annotations

from typing import Any

from commcare_sandbox.hq.programme.kinds import (
    APP,
    BUILD,
    DELIVERY_FORM,
    GROWTH_FORM,
    HOUSEHOLD_FORM,
    MOTHER_FORM,
    SURVEY_APP,
    VISIT_FORM,
)

LONG_XMLNS = "http://openrosa.org/formdesigner/2000-QUESTIONS"
LONG_QUESTIONS = 2000


def question(path: str, kind: str = "Text", tag: str = "input", **more: Any) -> dict[str, Any]:
    """Describe a question."""
    leaf = path.rsplit("/", 1)[-1]
    return {
        "label": leaf.replace("_", " "),
        "label_ref": f"{leaf}-label",
        "translations": {"en": leaf.replace("_", " ")},
        "tag": tag,
        "type": kind,
        "value": path,
        "hashtagValue": path.replace("/data/", "#form/", 1),
        "group": path.rsplit("/", 1)[0] if path.count("/") > 2 else None,
        "repeat": None,
        "is_group": tag in ("group", "repeat"),
        "relevant": None,
        "constraint": None,
        "required": False,
        "setvalue": None,
        "comment": None,
    } | more


def _form(xmlns: str | None, name: dict[str, str], unique_id: str, *asked: Any) -> dict[str, Any]:
    return {"xmlns": xmlns, "name": name, "unique_id": unique_id, "questions": list(asked)}


def _module(name: Any, case_type: str, properties: list[str], *forms: Any) -> dict[str, Any]:
    return {
        "name": name,
        "case_type": case_type,
        "case_properties": properties,
        "unique_id": f"module_{case_type}",
        "forms": list(forms),
    }


def applications() -> list[dict[str, Any]]:
    """List the applications, oldest first."""
    return [
        _application(APP, "CHW App", 51, _health_modules(), versions=_BUILDS),
        _application(SURVEY_APP, "Survey", 3, _survey_modules()),
        _application("app2", "Untitled", 1, []),
    ]


def build() -> dict[str, Any]:
    """Return the released build of the main application."""
    return _application(BUILD, "CHW App", 50, _health_modules()) | {
        "built_on": "2025-05-01T10:00:00.123456",
        "built_from_app_id": APP,
        "is_released": True,
        "build_comment": "pilot",
    }


def _application(
    app_id: str, name: str, version: int, modules: list[Any], versions: Any = ()
) -> dict[str, Any]:
    return {
        "id": app_id,
        "name": name,
        "version": version,
        "is_released": False,
        "built_on": None,
        "build_comment": None,
        "built_from_app_id": None,
        "resource_uri": "",
        "versions": list(versions),
        "modules": modules,
    }


_BUILDS = (
    {
        "id": BUILD,
        "built_on": "2025-05-01T10:00:00.123456Z",
        "build_comment": None,
        "is_released": True,
        "version": 50,
    },
)


def _choice(path: str, *values: str, many: bool = False) -> dict[str, Any]:
    return question(
        path,
        "MSelect" if many else "Select",
        "select" if many else "select1",
        options=[{"value": value, "label": value.title()} for value in values],
    )


def _health_modules() -> list[Any]:
    return [
        _module(
            {"en": "Households", "hin": "परिवार"},
            "household",
            ["gps", "has_toilet", "members", "name", "village", "water_source", "भाषा"],
            _form(
                HOUSEHOLD_FORM.xmlns,
                {"en": "Register Household", "hin": "परिवार पंजीकरण"},
                "f_household",
                question("/data/village"),
                question("/data/members", "Int"),
                _choice("/data/water_source", "well", "river", "tap", many=True),
                question("/data/gps", "Geopoint"),
                question("/data/note"),
            ),
        ),
        _module(
            {"en": "Mothers", "hin": "माताएँ"},
            "pregnancy",
            ["DOB", "dob", "edd", "name", "parent/name", "phone-number", "risk", "visits"],
            _form(MOTHER_FORM.xmlns, {"en": "Register Mother"}, "f_mother", *_MOTHER),
            _form(VISIT_FORM.xmlns, {"en": "Visit"}, "f_visit", *_VISIT),
            _form(DELIVERY_FORM.xmlns, {"en": "Delivery"}, "f_delivery", *_DELIVERY),
        ),
        {"error": "'NoneType' object has no attribute 'get_forms'"},
    ]


def _survey_modules() -> list[Any]:
    return [
        _module(
            {"fra": "Enfants"},
            "child",
            ["DOB", "dob", "name", "vaccines", "weight.birth"],
            _form(GROWTH_FORM.xmlns, {"fra": "Visit"}, "f_growth", *_GROWTH),
            _form(DELIVERY_FORM.xmlns, {"fra": "Accouchement"}, "f_shared", *_DELIVERY),
            _form(None, {}, "f_nameless"),
        ),
        _module(
            {"en": "Long"},
            "",
            [],
            _form(
                LONG_XMLNS,
                {"en": "Long survey"},
                "f_long",
                *(
                    question(f"/data/part_{at // 100}/question_{at}", "Int")
                    for at in range(LONG_QUESTIONS)
                ),
            ),
        ),
    ]


_MOTHER = (
    question("/data/name"),
    question("/data/age", "Int"),
    question("/data/edd", "Date"),
    question("/data/history", "Group", "group"),
    question("/data/history/gravida", "Int"),
    question("/data/history/previous", "Group", "group"),
    question("/data/history/previous/stillbirths", "Int"),
    question("/data/history/previous/note"),
    _choice("/data/danger_signs", "fever", "bleeding", "swelling", many=True),
)
_VISIT = (
    question("/data/measurements", "Group", "group"),
    question("/data/measurements/bp"),
    question("/data/measurements/weight", "Double"),
    question("/data/measurements/gps", "Geopoint"),
    question("/data/counselling", "Group", "group"),
    question("/data/counselling/topics", data_source={"instance_id": "item-list:topics"}),
    question("/data/counselling/note"),
    question("/data/next-visit.date", "Date"),
    question("/data/refused", "DataBindOnly", "hidden"),
)
_DELIVERY = (
    question("/data/how_many", "Int"),
    question("/data/voucher-name"),
    question("/data/babies", "Repeat", "repeat"),
    question("/data/babies/eye_color", repeat="/data/babies"),
    question("/data/babies/weight", "Double", repeat="/data/babies"),
    question("/data/photo", "Image", "upload"),
)
_GROWTH = (
    question("/data/growth", "Group", "group"),
    question("/data/growth/points", "Repeat", "repeat"),
    question("/data/growth/points/month", "Int", repeat="/data/growth/points"),
    question("/data/growth/points/weight", "Double", repeat="/data/growth/points"),
    question("/data/measurements/weight", "Double"),
    question("/data/नाम", translations={"fra": "Nom", "hin": "नाम"}),
    _choice("/data/vaccines", "bcg", "opv0", "penta1", many=True),
)
