"""Cases of every unusual shape that CommCare is known to send; each domain has one of each."""

from __future__ import annotations

from commcare_sandbox.hq.data.cases import Case
from commcare_sandbox.hq.data.directory import Directory

LEGACY_ID = "45WKYXQRFFU3AT4Y022EX7HF2"


def odd_cases(directory: Directory) -> list[Case]:
    """Return the odd cases."""
    worker = directory.worker_ids[0]
    return [
        _case("8e6f2a40b1c34e9b8a7d6c5b4a392817", "2024-11-20T02:00:13.707193Z"),
        _case(
            LEGACY_ID,
            "2024-04-05T23:56:44.220901Z",
            case_type="patient",
            case_name="Binta",
            user_id=worker,
            opened_by=worker,
            date_opened="2024-03-13T18:21:52Z",
            properties={"sex": "f"},
            xform_ids=["3HQEXR2S0GIRFY2GF40HAR7ZE"],
        ),
        _case(
            "9c1e77aa-3f7b-4d0f-9a40-0f9f3c1d2b11",
            "2024-01-01T04:00:03.551200",
            case_type="visit",
            case_name="visit 2",
            closed=True,
            date_closed="2023-12-31T22:10:00Z",
            properties={"bp": "120/80"},
            indices={
                "parent": {
                    "case_id": LEGACY_ID,
                    "case_type": "patient",
                    "relationship": "child",
                }
            },
        ),
        _case("d1", "2024-05-01T00:00:00Z", case_name="short id, no fraction"),
        _case(
            "x" * 255,
            "2024-05-02T00:00:00.000001Z",
            case_name="id of 255 characters",
            external_id="",
        ),
        _case(
            "aaaa0000-0000-4000-a000-000000000001",
            "2024-05-03T10:00:00.000000Z",
            case_name="keys that collide",
            properties={
                "dob": "2020-01-01",
                "DOB": "",
                "Dob": "2020-01-03",
                "phone-number": "1",
                "phone_number": "2",
                "phone.number": "3",
                "नाम": "आशा",
                "été": "oui",
                "select": "reserved word",
                "k" * 90 + "_one": "long names, equal",
                "k" * 90 + "_two": "in their first 63 bytes",
            },
        ),
        _case(
            "aaaa0000-0000-4000-a000-000000000002",
            "2024-05-03T10:00:00.000999Z",
            case_name='tab\there, newline\nhere, back\\slash, "quotes", 🙂',
            properties={"nul": "before\x00after", "control": "\x01\x1f", "empty": "", "zero": "0"},
        ),
        _case(
            "aaaa0000-0000-4000-a000-000000000003",
            "2024-05-04T00:00:00.500000Z",
            case_type="old_survey",
            case_name="deprecated type",
            is_deprecated=True,
        ),
        _case(
            "aaaa0000-0000-4000-a000-000000000004",
            "2024-05-04T00:00:00.500000Z",
            case_type="",
            owner_id="",
            external_id=None,
            last_modified="1900-01-01",
            date_opened="1900-01-01",
        ),
        _case(
            "aaaa0000-0000-4000-a000-000000000005",
            "2024-06-01T00:00:00.000000Z",
            case_name="two parents",
            indices={
                "parent": {"case_id": "d1", "case_type": "household", "relationship": "child"},
                "host": {
                    "case_id": LEGACY_ID,
                    "case_type": "patient",
                    "relationship": "extension",
                },
            },
        ),
        _case(
            "aaaa0000-0000-4000-a000-000000000006",
            "2025-12-31T23:59:59.999999Z",
            case_name="phone clock in 2099",
            last_modified="2099-01-01T00:00:00.000000Z",
            date_opened="2098-12-31T23:00:00Z",
            xform_ids=[f"{at:032x}" for at in range(2000)],
        ),
    ]


def _case(case_id: str, indexed_on: str, **overrides: object) -> Case:
    plain: dict[str, object] = {
        "case_id": case_id,
        "case_type": "household",
        "case_name": "",
        "external_id": None,
        "owner_id": "",
        "date_opened": "2019-01-18T18:24:23.480723Z",
        "last_modified": "2019-02-01T00:00:00.000000Z",
        "server_last_modified": "2019-02-01T03:12:37.516558Z",
        "indexed_on": indexed_on,
        "closed": False,
        "date_closed": None,
        "properties": {},
        "indices": {},
    }
    return Case(**{**plain, **overrides})  # type: ignore[arg-type]
