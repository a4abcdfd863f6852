"""Generated messaging events: SMS, e-mails, surveys and callbacks, with their outcomes."""

from __future__ import annotations

from typing import Any

from commcare_sandbox.hq.data import names, timestamps
from commcare_sandbox.hq.data.sequence import START
from commcare_sandbox.pseudorandom import digester, hex_id

Event = dict[str, Any]
EVENTS = 130
CONTENT_TYPES = ("sms", "email", "survey", "callback")
SOURCES = ("conditional-alert", "keyword", "broadcast", "unrecognized")
STATUSES = ("completed", "error", "in-progress", "email-delivered")


def messaging_events(domain: str, seed: int) -> list[Event]:
    """List the events, oldest first."""
    digest = digester(seed, "messaging event")
    return [_event(domain, seed, at, digest(at)) for at in range(EVENTS)]


def _event(domain: str, seed: int, at: int, digest: bytes) -> Event:
    # Three events share each timestamp, so that only timestamp and id define an order.
    date = START + at // 3 * timestamps.DAY + 417_001
    last = date + digest[0] % 3 * 3600 * timestamps.SECOND
    kind, status = CONTENT_TYPES[at % 4], STATUSES[digest[1] % 4]
    person = names.person(digest)
    is_mail = kind == "email"
    phone, mail = f"+9180000{at:05d}", f"worker{at}@example.org"
    failed = status == "error"
    return {
        "id": 9000 + at,
        "domain": domain,
        "date": timestamps.render(date),
        "date_last_activity": timestamps.render(last),
        "content_type": kind,
        "case_id": hex_id(seed, "messaged case", at) if at % 2 else None,
        "status": status,
        "error": {"code": "INVALID_NUMBER", "message": "The number is invalid"} if failed else None,
        "source": {
            "source_id": str(at % 7),
            "type": SOURCES[digest[2] % 4],
            "display": f"Reminder {at % 7}",
        },
        "recipient": {
            "recipient_id": hex_id(seed, "messaged case", at),
            "type": "case" if at % 2 else "mobile-worker",
            "display": person,
            "contact": mail if is_mail else phone,
        },
        "form": None
        if kind != "survey"
        else {
            "app_id": "411d126cf0f43fb06104cbc8e4cc2ee4",
            "form_definition_id": "f0",
            "form_name": "Visit",
            "form_submission_id": hex_id(seed, "survey", at),
        },
        "messages": [
            {
                "message_id": at * 10 + number,
                "type": "email" if is_mail else "sms",
                "direction": "outgoing",
                "content": f"Dear {person}, your visit is due.",
                "date": timestamps.render(date + number * timestamps.SECOND),
                "date_modified": timestamps.render(last),
                "phone_number": None if is_mail else phone,
                "email_address": mail if is_mail else None,
                "status": "error" if failed else "sent",
                "error_message": "The number is invalid" if failed else None,
                "backend": "None" if is_mail else "MOBILE_BACKEND_TEST",
            }
            for number in range(at % 3)
        ],
    }
