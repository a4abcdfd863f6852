"""Forms of every unusual shape that CommCare is known to send; each domain has one of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commcare_sandbox.hq.data.apps import LONG_QUESTIONS, LONG_XMLNS
from commcare_sandbox.hq.data.directory import Directory
from commcare_sandbox.hq.data.form_answers import CASE_XMLNS
from commcare_sandbox.hq.data.form_types import (
    DELIVERY_FORM,
    HOUSEHOLD_FORM,
    SURVEY_APP,
    SYSTEM_FORM,
    VISIT_FORM,
    FormType,
)
from commcare_sandbox.hq.data.forms import META_XMLNS, Form, cleaned, envelope
from commcare_sandbox.hq.data.odd_cases import LEGACY_ID

LONG = FormType("Long survey", LONG_XMLNS, SURVEY_APP, ())
SHARED = FormType("Accouchement", DELIVERY_FORM.xmlns, SURVEY_APP, ())
FOREIGN = FormType("Old form", "http://openrosa.org/formdesigner/REMOVED-FROM-ALL-APPS", None, ())


def odd_forms(domain: str, directory: Directory) -> list[Form]:
    """Return the odd forms."""
    return [make(domain, directory.worker_ids[0]) for make in _MAKERS]


def _form(
    domain: str,
    form_id: str,
    kind: FormType,
    stamp: str,
    answers: dict[str, Any],
    meta: dict[str, Any] | None = None,
    **overrides: Any,
) -> Form:
    form = envelope(domain, form_id, kind, answers)
    form |= {"received_on": stamp, "server_modified_on": stamp, "indexed_on": stamp}
    if meta is not None:
        form["form"]["meta"] = {"@xmlns": META_XMLNS, "instanceID": form_id, **meta}
        form["metadata"] = cleaned(form["form"]["meta"])
    return form | overrides


def _block(case_id: str, **parts: Any) -> dict[str, Any]:
    return {
        "@case_id": case_id,
        "@date_modified": "2025-09-01T07:59:58.000000Z",
        "@user_id": "",
        "@xmlns": CASE_XMLNS,
        **parts,
    }


def _one_baby(domain: str, worker: str) -> Form:
    """Edited on the web; a repeat of one instance; locations as text and as an object."""
    meta = {
        "timeStart": None,
        "timeEnd": "2025-09-01T07:59:58.000000Z",
        "userID": worker,
        "username": "chw001",
        "deviceID": "Formplayer",
        "appVersion": "Formplayer Version: 2.53",
        "app_build_version": None,
        "commcare_version": None,
        "location": {"#text": "12.97 77.59 0.0 10.0", "@xmlns": "http://commcarehq.org/xforms"},
        "geo_point": {"lat": 12.97, "lon": 77.59},
    }
    baby = _block("d1", create={"case_name": "B3", "case_type": "baby"}, update=None)
    baby["@date_modified"] = None
    return _form(
        domain,
        "7a30381b-072d-43d5-9a8c-d917c18c4ed0",
        DELIVERY_FORM,
        "2025-09-01T08:00:00Z",
        {
            "babies": {"eye_color": "", "case": baby},
            "flat": {"#text": "with attribute", "@xmlns": "http://commcarehq.org/test/flatns"},
        },
        meta,
        server_modified_on="2025-09-03T10:10:10.000001Z",
        indexed_on="2025-09-03T10:10:12.120000Z",
        edited_on="2025-09-03T10:10:10.000001Z",
        edited_by_user_id=worker,
        version="51",
        build_id=None,
        is_phone_submission=False,
        submit_ip=None,
        attachments={},
    )


def _from_case_api(domain: str, _worker: str) -> Form:
    """Archived; a list of cases at the root; create is null; no meta at all."""
    bare = {"@case_id": "c1", "@xmlns": CASE_XMLNS, "create": None, "update": {"a": "1"}}
    return _form(
        domain,
        "e8afaec3c66745ef80e48062d4b91b56",
        SYSTEM_FORM,
        "2024-09-21T04:06:18Z",
        {"case": [bare, {"@case_id": "c2", "@xmlns": CASE_XMLNS, "update": {"a": "2"}}]},
        server_modified_on="2024-10-01T00:00:00.000000Z",
        indexed_on="2024-10-01T00:00:05.000000Z",
        archived=True,
        problem="Archived by admin",
    )


def _cases_everywhere(domain: str, worker: str) -> Form:
    """Case blocks at depth 0 to 3, in repeats, as subcase; one case twice; one unlinked."""
    again = _block(LEGACY_ID, update={"sex": "f"}, close="")
    answers = {
        "case": _block(LEGACY_ID, update={"x": ""}),
        "one": {"case": _block("c1", update=None)},
        "two": {"deep": {"case": [_block("c2", create=None), again]}},
        "three": {"deep": {"deeper": {"case": _block("c3", attachment=None)}}},
        "items": [
            {"item": [{"case": _block("c4", update={"n": "1"})}, {"case": _block("c5")}]},
            {"item": {"case": _block("c6", close="")}},
        ],
        "subcase_0": {
            "case": _block(
                "c7",
                create={"case_name": "s", "case_type": "visit"},
                index={"parent": {"#text": ""}},
            )
        },
    }
    form_id = "0dd00000-0000-4000-a000-000000000003"
    stamp = "2025-06-06T06:06:06.600000Z"
    return _form(domain, form_id, VISIT_FORM, stamp, answers, {"userID": worker})


def _old_blocks(domain: str, _worker: str) -> Form:
    """A version 1 case block, a timestamp without a zone, and a legacy id."""
    block = {
        "case_id": LEGACY_ID,
        "date_modified": "2013-09-21T04:06:18Z",
        "create": {
            "case_type_id": "patient",
            "case_name": "Binta",
            "external_id": "",
            "user_id": "",
        },
        "update": {"sex": "f"},
    }
    return _form(
        domain,
        "3HQEXR2S0GIRFY2GF40HAR7ZE",
        FOREIGN,
        "2013-09-21T04:06:18Z",
        {"case": block, "white": "\n    ", "empty": ""},
        {"userID": "", "username": None, "timeStart": "", "timeEnd": "2013-09-21T04:06:00Z"},
        indexed_on="2017-08-29T11:20:16.297773",
        version="",
        uiversion=None,
    )


def _names_that_collide(domain: str, worker: str) -> Form:
    """Names that differ only by case or script; one name in two groups; a very long path."""
    deep: dict[str, Any] = {"answer_at_the_end_of_a_path": "reached"}
    for at in reversed(range(9)):
        deep = {f"group_number_{at}_with_a_long_name": deep}
    answers = {
        "dob": "2020-01-01",
        "DOB": "2020-01-02",
        "a": {"note": "first"},
        "b": {"note": "second"},
        "phone-number": "1",
        "phone_number": "2",
        "phone.number": "3",
        "नाम": "आशा",
        "ስም": "ሰላም",
        "ñandú": "🙂",
        "select": "reserved",
        "k" * 70 + "_one": "1",
        "k" * 70 + "_two": "2",
        "tabs": 'a\tb\\n"c"\r\nd',
        **deep,
    }
    form_id = "0dd00000-0000-4000-a000-000000000005"
    stamp = "2025-06-07T00:00:00.000001Z"
    return _form(domain, form_id, HOUSEHOLD_FORM, stamp, answers, {"userID": worker})


def _two_thousand_questions(domain: str, worker: str) -> Form:
    """The longest form in practice: 2000 questions."""
    answers: dict[str, Any] = {}
    for at in range(LONG_QUESTIONS):
        answers.setdefault(f"part_{at // 100}", {})[f"question_{at}"] = str(at % 7)
    form_id = "0dd00000-0000-4000-a000-000000000006"
    stamp = "2025-06-08T00:00:00.000000Z"
    return _form(domain, form_id, LONG, stamp, answers, {"userID": worker})


def _text_or_object(domain: str, worker: str) -> Form:
    """A question that is text in other forms is an object here; so is the app version."""
    meta = {
        "userID": worker,
        "username": "chw001",
        "appVersion": {"#text": "v2.00 CC2.53", "@xmlns": "http://commcarehq.org/xforms"},
        "app_build_version": 50,
        "timeStart": "2025-06-08T23:00:00.000Z",
        "timeEnd": "2025-06-08T23:59:00.000Z",
    }
    answers = {"village": {"#text": "Otjo", "@lang": "en"}, "members": ["3", "4"], "babies": ""}
    form_id = "0dd00000-0000-4000-a000-000000000007"
    return _form(domain, form_id, HOUSEHOLD_FORM, "2025-06-09T00:00:00.5Z", answers, meta)


def _late(domain: str, worker: str) -> Form:
    """Received a year before it was indexed, from another app with the same xmlns."""
    block = _block("d1", index={"parent": {"#text": LEGACY_ID, "@case_type": "patient"}})
    del block["@date_modified"]
    return _form(
        domain,
        "0dd00000-0000-4000-a000-000000000008",
        SHARED,
        "2024-06-10T12:00:00.000000Z",
        {"babies": {"case": block}, "how_many": "1"},
        {"userID": worker, "timeStart": "2024-06-10T11:00:00Z", "timeEnd": "2024-06-10T11:05:00Z"},
        indexed_on="2025-06-10T12:00:00.000000Z",
        app_id=SURVEY_APP,
        initial_processing_complete=None,
    )


_MAKERS: tuple[Callable[[str, str], Form], ...] = (
    _one_baby,
    _from_case_api,
    _cases_everywhere,
    _old_blocks,
    _names_that_collide,
    _text_or_object,
    _late,
    _two_thousand_questions,
)
