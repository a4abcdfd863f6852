"""Finds out why a server's certificate was rejected, which libpq does not say: fetches it again.

Only for an error message: nothing is sent over the connection made here.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL documentation, 55.2.11
SECONDS = 10
DEFAULT_ROOT = "~/.postgresql/root.crt"  # libpq's default

EXPIRED = (
    "presents a certificate that has expired, or whose CA has",
    "Renew it and reload the server; check the clock of this machine.",
)
NOT_YET = (
    "presents a certificate that is not valid yet",
    "Check the clocks of the server and of this machine.",
)
REVOKED = ("presents a revoked certificate", "Renew it and reload the server.")
NOT_TRUSTED = (
    "presents a certificate that is not trusted: no CA of sslrootcert has signed it",
    "Set sslrootcert to the file of the CA certificate, or to system if it is trusted here.",
)
REASONS = {9: NOT_YET, 10: EXPIRED, 23: REVOKED}  # OpenSSL's X509_V_ERR_...


def explain_rejection(options: Mapping[str, str]) -> tuple[str, str]:
    """Return why the certificate of a server was rejected, and the remedy.

    Args:
        options: The connection options: host, port, sslrootcert.
    """
    host = (options.get("hostaddr") or options.get("host") or "localhost").split(",")[0]
    port = (options.get("port") or "5432").split(",")[0]
    code = _verify_code(host, port, options.get("sslrootcert") or DEFAULT_ROOT)
    return REASONS.get(code, NOT_TRUSTED) if code else NOT_TRUSTED


def _verify_code(host: str, port: str, root: str) -> int | None:
    """Return OpenSSL's code for what is wrong with a certificate; None if it cannot be fetched."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # libpq reports a wrong host itself
    try:
        if root == "system":
            context.load_default_certs()
        else:
            context.load_verify_locations(Path(root).expanduser())
        with socket.create_connection((host, int(port)), SECONDS) as opened:
            opened.sendall(SSL_REQUEST)
            if opened.recv(1) == b"S":
                context.wrap_socket(opened).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_code
    except (OSError, ValueError):
        return None
    return None
