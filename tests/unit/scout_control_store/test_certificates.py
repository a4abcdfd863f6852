"""Why a certificate was not accepted: from its dates, and from the message of libpq."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from scout_control.store import tls_errors

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "db.test")])
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def a_certificate(begins, ends) -> x509.Certificate:
    builder = x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, begins, ends)
    return builder.sign(KEY, hashes.SHA256())


@pytest.mark.parametrize(
    ("begins", "ends", "explanation"),
    [
        (NOW - DAY, NOW + DAY, tls_errors.NOT_TRUSTED),
        (NOW - DAY, NOW, tls_errors.NOT_TRUSTED),
        (NOW - DAY, NOW - SECOND, tls_errors.EXPIRED),
        (NOW, NOW + DAY, tls_errors.NOT_TRUSTED),
        (NOW + SECOND, NOW + DAY, tls_errors.NOT_YET),
    ],
    ids=["valid", "last second", "expired", "first second", "of tomorrow"],
)
def test_the_dates_of_a_certificate_explain_its_rejection(begins, ends, explanation):
    assert tls_errors.explain_validity(a_certificate(begins, ends), NOW) == explanation


@pytest.mark.parametrize(
    ("message", "server"),
    [
        (
            'connection to server at "db.test" (10.0.0.1), port 6000 failed: '
            "SSL error: certificate verify failed",
            ("db.test", "6000"),
        ),
        (
            'connection to server at "::1", port 5432 failed: SSL error: certificate verify failed',
            ("::1", "5432"),
        ),
        ("SSL error: certificate verify failed", None),
        ('server at "a", port x failed: SSL error: certificate verify failed', None),
        ('server at "a", port 1 failed: timeout', None),
    ],
)
def test_the_server_of_a_failure_is_read_from_the_message(message, server):
    found = tls_errors.SERVER.search(message)

    assert (found.groups() if found else None) == server


@pytest.mark.parametrize(
    "error", [None, psycopg.OperationalError(), psycopg.OperationalError("timeout expired")]
)
def test_any_other_failure_is_not_explained(error):
    assert tls_errors.explain(error) is None


@pytest.mark.parametrize("text", [text for text, *_ in tls_errors.EXPLANATIONS])
def test_each_explanation_completes_a_sentence_and_has_a_remedy(text):
    cause, remedy = tls_errors.explain(psycopg.OperationalError(f"before {text} after"))

    assert cause[0].islower()
    assert not cause.endswith(".")
    assert remedy.endswith(".")
