"""Form types and the applications they belong to."""

from __future__ import annotations

from dataclasses import dataclass

APP = "411d126cf0f43fb06104cbc8e4cc2ee4"
SURVEY_APP = "a71c3d0f5b2e4c6d8e9f00112233aa55"
BUILD = "5f97fd7cec424ea7800343c2e1cff85d"
_DESIGNER = "http://openrosa.org/formdesigner/"


@dataclass(frozen=True)
class FormType:
    """A form type."""

    name: str
    xmlns: str
    app_id: str | None
    slots: tuple[int, ...]
    """Indexes, within a family of twenty cases, of the cases such a form updates."""


HOUSEHOLD_FORM = FormType("Register Household", f"{_DESIGNER}0C6F1A52-HOUSEHOLD", APP, (0, 5, 12))
MOTHER_FORM = FormType(
    "Register Mother", f"{_DESIGNER}7D1B2F60-53C4-4B0E-9F6E-2B61C0A7D901", APP, (1, 6, 13)
)
VISIT_FORM = FormType("Visit", f"{_DESIGNER}3A9D7C11-8E0B-4F3A-A1B2-6C5D4E3F2A10", APP, (1, 6, 13))
DELIVERY_FORM = FormType(
    "Delivery", f"{_DESIGNER}EA845CA3-4B57-47C4-AFF4-5884E40228D7", APP, (1, 6, 13)
)
GROWTH_FORM = FormType(
    "Visit", f"{_DESIGNER}B5E2D4A7-1C3F-4E6D-8B90-GROWTH", SURVEY_APP, (4, 7, 8, 17)
)
SYSTEM_FORM = FormType("", "http://commcarehq.org/case_api", None, (2, 3, 9, 14))

FORM_TYPES = (
    HOUSEHOLD_FORM,
    MOTHER_FORM,
    VISIT_FORM,
    VISIT_FORM,
    DELIVERY_FORM,
    GROWTH_FORM,
    VISIT_FORM,
    GROWTH_FORM,
    VISIT_FORM,
    SYSTEM_FORM,
)
