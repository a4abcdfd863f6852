"""Explains TLS failures of connections to Postgres from libpq's message and the certificate.

libpq only reports that verification of a certificate failed. To say why, the certificate is fetched
once more over a connection that carries nothing else.
"""

from __future__ import annotations

import datetime as dt
import re
import socket
import ssl
import struct

from cryptography import x509

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL documentation, 55.2.11
SECONDS = 10
SERVER = re.compile(
    r'server at "([^"]+)"(?: \([^)]*\))?, port (\d+) failed: SSL error: certificate'
)
NO_TLS = "Enable it there (ssl = on), or set sslmode=disable on a trusted network."

# (text in libpq's message, predicate with the server as subject, remedy); first match wins.
EXPLANATIONS = (
    ("does not support SSL", "has no TLS", NO_TLS),
    (
        "does not match host name",
        "presents a certificate of another host",
        "Use a host name of the certificate, or have one issued for this host name.",
    ),
    (
        'root certificate file "',
        "cannot be verified: sslrootcert holds no CA certificate",
        "Set sslrootcert in the URL to the CA certificate, or to system.",
    ),
    (
        "weak sslmode",
        "cannot be verified: sslrootcert=system requires sslmode=verify-full",
        "Set sslmode=verify-full in the URL.",
    ),
    (
        "requires a valid client certificate",
        "requires a client certificate",
        "Set sslcert and sslkey in the URL.",
    ),
    (
        "no encryption",
        "does not accept this role without TLS",
        "Set sslmode=verify-full (with sslrootcert) or require, or change pg_hba.conf there.",
    ),
)
EXPIRED = (
    "presents a certificate that has expired",
    "Renew it and reload the server; check the clock of this machine.",
)
NOT_YET = (
    "presents a certificate that is not valid yet",
    "Check the clocks of the server and of this machine.",
)
NOT_TRUSTED = (
    "presents a certificate that is not trusted: no CA of sslrootcert has signed it",
    "Set sslrootcert in the URL to the CA certificate, or to system.",
)


def explain(error: BaseException | None) -> tuple[str, str] | None:
    """Return the cause and the remedy of a TLS failure; None for any other failure."""
    message = str(error)
    if "certificate verify failed" in message:
        server = SERVER.search(message)
        return (
            _explain_certificate(server.group(1), int(server.group(2))) if server else NOT_TRUSTED
        )
    return next(((cause, remedy) for text, cause, remedy in EXPLANATIONS if text in message), None)


def _explain_certificate(host: str, port: int) -> tuple[str, str]:
    try:
        certificate = x509.load_der_x509_certificate(_presented_certificate(host, port))
    except (OSError, ValueError):
        return NOT_TRUSTED
    return explain_validity(certificate, dt.datetime.now(dt.UTC))


def explain_validity(certificate: x509.Certificate, now: dt.datetime) -> tuple[str, str]:
    """Return why a certificate that was rejected is not accepted now."""
    if certificate.not_valid_after_utc < now:
        return EXPIRED
    return NOT_YET if certificate.not_valid_before_utc > now else NOT_TRUSTED


def _presented_certificate(host: str, port: int) -> bytes:
    """Return the certificate that a server presents, trusted or not; empty if none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), SECONDS) as opened:
        opened.sendall(SSL_REQUEST)
        if opened.recv(1) != b"S":
            return b""
        with context.wrap_socket(opened) as wrapped:
            return wrapped.getpeercert(binary_form=True) or b""
