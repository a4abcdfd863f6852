"""A server that admits only clients with TLS and a client certificate.

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
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from scout_control.errors import ServerError
from scout_control.store.database import Store
from scout_control.store.postgres import connect

COMMAND = [str(Path(sys.executable).parent / "target-scout-postgres")]
INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
ACCOUNT = {"user": "nobody"} if os.geteuid() == 0 else {}


def certificate(name: str, signer: tuple | None = None, days: tuple = (-1, 2)) -> tuple:
    """A key and a certificate for it, signed by itself or by another, valid on these days."""
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
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
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
    authority, other = certificate("authority"), certificate("other")
    write(home, "authority", authority)
    write(home, "other", other)
    write(home, "loader", certificate("loader", authority))
    write(home, "stranger", certificate("loader", other))
    write(home, "another", certificate("another", authority))
    write(home, "late", certificate("loader", authority, (-9, -1)))
    shown = {
        "server": certificate("127.0.0.1", authority),
        "expired": certificate("127.0.0.1", authority, (-9, -1)),
        "early": certificate("127.0.0.1", authority, (1, 9)),
        "own": certificate("127.0.0.1"),
    }
    for name, pair in shown.items():
        write(home, name, pair)
        if ACCOUNT:
            shutil.chown(home / f"{name}.key", ACCOUNT["user"])
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
        "ssl_ca_file": home / "authority.crt",
        "fsync": "off",
    }
    show(data, "server")
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


def show(data: Path, name: str) -> None:
    """Install another certificate, effective from the next reload; None: no TLS."""
    home = data.parent
    files = f"ssl_cert_file = '{home / name}.crt'\nssl_key_file = '{home / name}.key'\n"
    (data / "tls.conf").write_text(f"ssl = {'on' if name else 'off'}\n" + (files if name else ""))
    included = "include 'tls.conf'\n"
    main = data / "postgresql.conf"
    if included not in main.read_text():
        main.write_text(main.read_text() + included)


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


def load(server, tmp_path, **changes) -> subprocess.CompletedProcess:
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
    return subprocess.run(
        [*COMMAND, "--config", str(tmp_path / "config.json")],
        input=json.dumps(line).encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )


# What the server shows, the changed settings (of files in its directory), what the message says.
NOT_TRUSTED = "certificate that is not trusted"
BY_CLIENT = [
    ({"sslrootcert": "other.crt"}, NOT_TRUSTED, "sslrootcert"),
    ({"sslrootcert": "system"}, NOT_TRUSTED, "sslrootcert"),
    ({"sslrootcert": "other.crt", "sslmode": "verify-ca"}, NOT_TRUSTED, "sslrootcert"),
    ({"sslrootcert": "other.crt", "sslmode": "prefer"}, NOT_TRUSTED, "sslrootcert"),
    ({"sslrootcert": None}, "sslrootcert holds no CA certificate", "sslrootcert"),
    ({"sslrootcert": "loader.key"}, "sslrootcert holds no CA certificate", "the CA certificate"),
    (
        {"sslrootcert": "system", "sslmode": "require"},
        "requires sslmode=verify-full",
        "verify-full",
    ),
    ({"host": "localhost"}, "certificate of another host", "Set host"),
    ({"sslmode": "disable"}, "without TLS", "sslmode"),
    ({"sslcert": None, "sslkey": None}, "requires a client certificate", "sslcert"),
    ({"sslcert": "stranger.crt", "sslkey": "stranger.key"}, "does not trust the client", "sslcert"),
    ({"sslcert": "late.crt", "sslkey": "late.key"}, "which has expired", "renewed"),
    ({"sslcert": "another.crt", "sslkey": "another.key"}, "of another role", "user"),
    ({"sslkey": "stranger.key"}, "not the key of sslcert", "sslkey"),
    ({"sslcert": "loader.key"}, "sslcert cannot be read", "sslcert"),
]
BY_SERVER = [
    ("expired", "has expired", "Renew"),
    ("early", "not valid yet", "clocks"),
    ("own", NOT_TRUSTED, "sslrootcert"),
    ("", "has no TLS", "ssl = on"),
]


def test_a_client_certificate_opens_the_door(server, tmp_path):
    done = load(server, tmp_path)
    assert done.returncode == 0, done.stderr.decode()


def test_each_failure_of_tls_says_which_it_is_and_what_to_do(server, tmp_path):
    port, home = server
    for changes, what, todo in BY_CLIENT:
        files = {
            name: str(home / text) if text and "." in text else text
            for name, text in changes.items()
        }
        assert_told(load(server, tmp_path, **files), port, what, todo)
        if changes.keys() & {"sslrootcert", "host"} and "loader.key" not in changes.values():
            assert what in said_by_control(server, **files)
    assert "without TLS" in said_by_control(server, sslmode="disable")
    admin = f"postgresql://postgres@/postgres?host={home / 'data'}&port={port}"
    for name, what, todo in BY_SERVER:
        try:
            show(home / "data", name)
            execute(admin, "SELECT pg_reload_conf()")
            wait_until_shown(admin, home, name)
            assert_told(load(server, tmp_path), port, what, todo)
            assert what in said_by_control(server)
        finally:
            show(home / "data", "server")
            execute(admin, "SELECT pg_reload_conf()")
            wait_until_shown(admin, home, "server")


def said_by_control(server, **changes) -> str:
    """The messages of control and of its store about the same server."""
    port, home = server
    given = {"sslmode": "verify-full", "sslrootcert": str(home / "authority.crt")}
    given |= {"sslcert": str(home / "loader.crt"), "sslkey": str(home / "loader.key")}
    host = changes.pop("host", "127.0.0.1")
    options = urlencode({name: text for name, text in (given | changes).items() if text})
    url = f"postgresql://loader:hidden@{host}:{port}/postgres?{options}"
    with pytest.raises(ServerError) as ended:
        connect(url)
    with pytest.raises(ServerError) as of_store, Store(url).begin() as session:
        session.connection()
    texts = str(ended.value), str(of_store.value)
    assert "hidden" not in "".join(texts)
    assert texts[0].partition(" presents ")[2] == texts[1].partition(" presents ")[2]
    return texts[0]


def assert_told(done, port, what, todo):
    log = done.stderr.decode()
    assert done.returncode == 1, log
    assert "Traceback" not in log
    assert f"127.0.0.1:{port}/postgres " in log.replace("localhost", "127.0.0.1")
    assert what in log
    assert todo in log.partition(what)[2]


def wait_until_shown(admin, home, name):
    """Wait until new sessions have the configuration of the last reload."""
    wanted = str(home / f"{name}.crt") if name else "off"
    deadline = time.monotonic() + 60
    while True:
        with closing(psycopg2.connect(admin)) as opened, opened.cursor() as cursor:
            cursor.execute(f"SHOW {'ssl_cert_file' if name else 'ssl'}")
            if cursor.fetchone()[0] == wanted:
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)
