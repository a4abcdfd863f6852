"""Which TLS failure ended a connection to Postgres: libpq's words, and a look at the certificate.

libpq says of a certificate only that it is refused. It is fetched once more for the message; that
connection carries nothing.
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
PLACE = re.compile(r'server at "([^"]+)"(?: \([^)]*\))?, port (\d+) failed: SSL error: certificate')
NO_TLS = "Switch it on there (ssl = on), or set sslmode=disable where the network is safe."

# First match wins. What it is, said of the server, and what to do.
REFUSED = (
    ("does not support SSL", "has no TLS", NO_TLS),
    (
        "does not match host name",
        "shows a certificate of another host",
        "Use a host name that the certificate holds, or have one issued for this name.",
    ),
    (
        'root certificate file "',
        "cannot be checked: there is no certificate of an authority in sslrootcert",
        "Set sslrootcert in the URL to the file of the authority that signed it, or to system.",
    ),
    (
        "weak sslmode",
        "cannot be checked: sslrootcert is system",
        "Set sslmode=verify-full in the URL, which that needs.",
    ),
    (
        "requires a valid client certificate",
        "asks for a client certificate",
        "Set sslcert and sslkey in the URL.",
    ),
    (
        "no encryption",
        "does not let this role in without TLS",
        "Set sslmode=verify-full (with sslrootcert) or require, or change pg_hba.conf there.",
    ),
)
EXPIRED = (
    "shows a certificate that has expired",
    "Renew it there and reload the server; see that this machine's clock is right.",
)
NOT_YET = (
    "shows a certificate that is not valid yet",
    "See that the clocks of the server and of this machine are right.",
)
NOT_TRUSTED = (
    "shows a certificate that is not trusted: no authority of sslrootcert has signed it",
    "Set sslrootcert in the URL to the file of the authority that signed it, or to system.",
)


def refused_because(error: BaseException | None) -> tuple[str, str] | None:
    """Return what is wrong with TLS and what to do; None if it is something else."""
    text = str(error)
    if "certificate verify failed" in text:
        found = PLACE.search(text)
        return _of_certificate(found.group(1), int(found.group(2))) if found else NOT_TRUSTED
    return next(((what, todo) for words, what, todo in REFUSED if words in text), None)


def _of_certificate(host: str, port: int) -> tuple[str, str]:
    try:
        shown = x509.load_der_x509_certificate(_shown(host, port))
    except (OSError, ValueError):
        return NOT_TRUSTED
    now = dt.datetime.now(dt.UTC)
    if shown.not_valid_after_utc < now:
        return EXPIRED
    return NOT_YET if shown.not_valid_before_utc > now else NOT_TRUSTED


def _shown(host: str, port: int) -> bytes:
    """Return the certificate that a server shows, trusted or not; empty if it shows none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, port), SECONDS) as opened:
        opened.sendall(SSL_REQUEST)
        if opened.recv(1) != b"S":
            return b""
        with context.wrap_socket(opened) as wrapped:
            return wrapped.getpeercert(binary_form=True) or b""
