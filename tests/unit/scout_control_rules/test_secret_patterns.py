"""What looks like a secret is removed from the logs of runs and from quoted messages alike."""

from __future__ import annotations

import pytest
from scout_control.rules.quotation import quoted
from scout_control.rules.redaction import Redactor

HIDE = {
    "log": Redactor(),
    "log of a foreign program": lambda text: Redactor()(text, may_quote_records=True),
    "message": lambda text: quoted(text, may_quote_records=False),
    "message of a foreign program": quoted,
}


@pytest.mark.parametrize("hide", HIDE.values(), ids=list(HIDE))
@pytest.mark.parametrize(
    "text",
    [
        "connect to postgresql://scout:canary@db/x failed",
        "connect to postgresql://scout:can@ary/canary@db/x failed",
        "connect to mysql://canary@db/x failed",
        "GET https://hq.example/a/river/api/case/?name=canary&limit=5 failed",
        "GET https://hq.example/a/river#canary failed",
        "Authorization: Bearer canary",
        "Authorization: ApiKey me@x.org:canary",
        "Proxy-Authorization: Basic canary0=",
        "headers: authorization='Basic canary=='",
        "headers {'Authorization': 'ApiKey me@x.org:canary'}",
        "headers [('Authorization', 'Custom canary')]",
        "Set-Cookie: session=canary; Path=/",
        "with Bearer canary",
        "Token canary0b09199c62bcf is not valid",
        "GET /a?api_key=canary&limit=5",
        '"client_secret": "canary canary"',
        "config['api_key'] = 'canary'",
        "PGPASSWORD=canary psql",
        "access_token = canary",
        "passphrase: canary",
        "db.pwd=canary",
        "AWS_SECRET_ACCESS_KEY=canary",
        "the account canary.o+x@clinic.example.org is locked",
        "duplicate key: Key (name)=(canary) already exists.",
        "duplicate key: Key (name, phone)=(canary, 0712) already exists.",
        "Failing row contains (7, canary, null).",
        'COPY cases, line 3, column age: "canary"',
        'invalid input syntax for type date: "canary"',
        'value "canary" is out of range for type integer',
    ],
)
def test_a_secret_is_recognised_wherever_it_is_shown(hide, text):
    assert "canary" not in hide(text)


@pytest.mark.parametrize("hide", HIDE.values(), ids=list(HIDE))
@pytest.mark.parametrize(
    "text",
    [
        "HQ refused the login of river-health.",
        "Authorization was denied at HQ.",
        "The token has expired.",
        "Run again: scout credentials connect hq --project river",
        "HTTP 403 for https://api.example.org/v1/visits",
        "Basic authentication is switched off there.",
    ],
)
def test_what_happened_stays_readable(hide, text):
    assert hide(text) == text
