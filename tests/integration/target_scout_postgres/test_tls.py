"""A server that admits nobody without TLS and a client certificate.

The embedded Postgres is built without TLS, so this needs an installed one, such as Debian's.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]
INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
ACCOUNT = {"user": "nobody"} if os.geteuid() == 0 else {}


def certificate(name: str, signer: tuple | None = None) -> tuple:
    """A key and a certificate for it, signed by itself or by another."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_key, issuer = signer or (key, None)
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return key, made


def write(home: Path, name: str, pair: tuple) -> None:
    key, made = pair
    (home / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = home / f"{name}.key"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    secret.chmod(0o600)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, Path]]:
    """A TLS server on a free port; the directory holds the certificates."""
    if not INSTALLED:
        pytest.skip("no Postgres with TLS is installed below /usr/lib/postgresql")
    binaries = INSTALLED[-1].parent
    home = Path(tempfile.mkdtemp(prefix="scout-tls-"))
    home.chmod(0o755)
    data = home / "data"
    data.mkdir(mode=0o700)
    if ACCOUNT:
        shutil.chown(data, ACCOUNT["user"])
    authority = certificate("authority")
    write(home, "authority", authority)
    write(home, "server", certificate("127.0.0.1", authority))
    write(home, "loader", certificate("loader", authority))
    if ACCOUNT:
        shutil.chown(home / "server.key", ACCOUNT["user"])
    run = {"cwd": home, **ACCOUNT}
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
        check=True,
        capture_output=True,
        **run,
    )
    (data / "pg_hba.conf").write_text(
        "local all postgres trust\nhostssl all loader 127.0.0.1/32 cert\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": data,
        "ssl": "on",
        "ssl_cert_file": home / "server.crt",
        "ssl_key_file": home / "server.key",
        "ssl_ca_file": home / "authority.crt",
        "fsync": "off",
    }
    arguments = [f"-c{name}={value}" for name, value in options.items()]
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **run,
    )
    admin = f"postgresql://postgres@/postgres?host={data}&port={port}"
    try:
        execute(admin, "CREATE ROLE loader LOGIN", "CREATE SCHEMA safe AUTHORIZATION loader")
        yield port, home
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def execute(url: str, *statements: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            connection = psycopg2.connect(url)
            break
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [({}, 0), ({"sslmode": "disable"}, 1), ({"sslcert": None, "sslkey": None}, 1)],
)
def test_a_client_certificate_opens_the_door_and_nothing_else_does(server, tmp_path, changes, code):
    port, home = server
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "user": "loader",
        "database": "postgres",
        "default_target_schema": "safe",
        "sslmode": "verify-full",
        "sslrootcert": str(home / "authority.crt"),
        "sslcert": str(home / "loader.crt"),
        "sslkey": str(home / "loader.key"),
    }
    given = {name: value for name, value in (settings | changes).items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(given))
    schema = {"properties": {"id": {"type": "string"}}}
    line = {"type": "SCHEMA", "stream": "t", "schema": schema, "key_properties": ["id"]}
    done = subprocess.run(
        [*COMMAND, "--config", str(tmp_path / "config.json")],
        input=json.dumps(line).encode(),
        capture_output=True,
        check=False,
    )

    log = done.stderr.decode()
    assert done.returncode == code, log
    assert "Traceback" not in log
    if code:
        assert f"127.0.0.1:{port}" in log
