"""Generated applications: modules, forms and questions in several languages."""

from __future__ import annotations

from commcare_sandbox.app_documents import (
    Document,
    application,
    form,
    module,
    multiselect,
    question,
)
from commcare_sandbox.hq.data.form_types import (
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


def applications() -> list[Document]:
    """List the applications, oldest first."""
    return [
        application(APP, "CHW App", 51, _health_modules()) | {"versions": list(_BUILDS)},
        application(SURVEY_APP, "Survey", 3, _survey_modules()),
        application("app2", "Untitled", 1, []),
    ]


def build() -> Document:
    """Return the released build of the main application."""
    return application(BUILD, "CHW App", 50, _health_modules()) | {
        "built_on": "2025-05-01T10:00:00.123456",
        "built_from_app_id": APP,
        "is_released": True,
        "build_comment": "pilot",
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


def _health_modules() -> list[Document]:
    return [
        module(
            "module_household",
            {"en": "Households", "hin": "परिवार"},
            "household",
            ["gps", "has_toilet", "members", "name", "village", "water_source", "भाषा"],
            form(
                "f_household",
                HOUSEHOLD_FORM.xmlns,
                {"en": "Register Household", "hin": "परिवार पंजीकरण"},
                question("/data/village"),
                question("/data/members", "Int"),
                multiselect("/data/water_source", "well", "river", "tap"),
                question("/data/gps", "Geopoint"),
                question("/data/note"),
            ),
        ),
        module(
            "module_pregnancy",
            {"en": "Mothers", "hin": "माताएँ"},
            "pregnancy",
            ["DOB", "dob", "edd", "name", "parent/name", "phone-number", "risk", "visits"],
            form("f_mother", MOTHER_FORM.xmlns, {"en": "Register Mother"}, *_MOTHER),
            form("f_visit", VISIT_FORM.xmlns, {"en": "Visit"}, *_VISIT),
            form("f_delivery", DELIVERY_FORM.xmlns, {"en": "Delivery"}, *_DELIVERY),
        ),
        {"error": "'NoneType' object has no attribute 'get_forms'"},
    ]


def _survey_modules() -> list[Document]:
    return [
        module(
            "module_child",
            {"fra": "Enfants"},
            "child",
            ["DOB", "dob", "name", "vaccines", "weight.birth"],
            form("f_growth", GROWTH_FORM.xmlns, {"fra": "Visit"}, *_GROWTH),
            form("f_shared", DELIVERY_FORM.xmlns, {"fra": "Accouchement"}, *_DELIVERY),
            form("f_nameless", None, {}),
        ),
        module(
            "module_",
            {"en": "Long"},
            "",
            [],
            form(
                "f_long",
                LONG_XMLNS,
                {"en": "Long survey"},
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
    multiselect("/data/danger_signs", "fever", "bleeding", "swelling"),
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
    multiselect("/data/vaccines", "bcg", "opv0", "penta1"),
)
