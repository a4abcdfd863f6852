"""Responses to a login may be hostile: those to the listener, and those of the token endpoint."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from scout_control.api.scout import Scout
from scout_control.credentials.loopback import LARGEST_HEAD_BYTES, MOST_CLIENTS, callback_server
from scout_control.credentials.oauth import OAuthClient, equal_in_constant_time, unique_parameters
from scout_control.errors import ControlError, RunFailedError, ServerError, SettingsError
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from scout_control.meltano.project import OAuthPaths
from scout_control.store import migrate

STATE = "st-ate"
PATHS = OAuthPaths(authorize="/o/authorize/", token="/o/token/", revoke="/o/revoke/")
NOT_OURS = [
    "state=%C3%A9",
    "state=é",
    "state=%ff",
    "state=%00",
    "state=",
    "",
    f"state={STATE}x",
    f"state={STATE}&state={STATE}",
    f"state=x&state={STATE}",
    f"state={STATE}&code=a&code=b",
    "&".join([f"state={STATE}", *(f"a{number}=1" for number in range(50))]),
]


@pytest.fixture
def callback():
    with callback_server() as opened:
        opened.state = STATE
        yield opened


def ask(callback, query, path="/callback"):
    """Send what a client sends; return the status line of the answer."""
    with socket.create_connection(("127.0.0.1", callback.server_port), timeout=60) as client:
        client.sendall(f"GET {path}?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return client.makefile("rb").readline().decode()


@pytest.mark.parametrize("query", NOT_OURS)
def test_an_unexpected_redirect_is_rejected_and_the_expected_one_accepted_later(callback, query):
    assert " 404 " in ask(callback, f"code=c&{query}")
    assert " 200 " in ask(callback, f"code=c&state={STATE}")
    assert callback.wait(60).endswith(f"/callback?code=c&state={STATE}")


@pytest.mark.parametrize("query", NOT_OURS)
def test_an_unexpected_pasted_url_is_rejected(query):
    client = OAuthClient(
        source="hq", base_url="https://hq.example.org", paths=PATHS, client_id="id"
    )
    request = replace(client.authorization_request("http://127.0.0.1:1/callback"), state=STATE)

    for address in (f"http://127.0.0.1:1/callback?code=c&{query}", "http://[::1", "\udcff", "#"):
        with pytest.raises(SettingsError, match="not the response"):
            client.exchange_code(request, address)


def test_states_are_compared_as_bytes():
    assert equal_in_constant_time("é", "é")
    assert not equal_in_constant_time("é", "e")
    assert not equal_in_constant_time("\udcff", "")
    assert unique_parameters("/callback?a=1&a=2") is None


@contextmanager
def drips(port, count):
    """Hold connections that send one byte now and then."""
    with ExitStack() as at_the_end:
        clients = [
            at_the_end.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            for _ in range(count)
        ]
        over = threading.Event()

        def drip():
            while not over.wait(0.2):
                for client in clients:
                    with suppress(OSError):
                        client.send(b"G")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("count", [1, MOST_CLIENTS - 1, 5 * MOST_CLIENTS])
def test_slow_clients_do_not_delay_the_browser(callback, count):
    with drips(callback.server_port, count):
        assert " 200 " in ask(callback, f"code=c&state={STATE}")
        assert callback.wait(60).endswith(STATE)


def test_an_endless_request_head_is_cut_off(callback):
    with socket.create_connection(("127.0.0.1", callback.server_port), timeout=60) as client:
        head = b"A: " + b"x" * 1000 * LARGEST_HEAD_BYTES
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as it comes
            client.sendall(head)
    assert " 200 " in ask(callback, f"code=c&state={STATE}")


def test_large_cookies_are_accepted(callback):
    cookies = "x" * 30_000
    url = f"{callback.redirect_uri}?code=c&state={STATE}"

    request = urllib.request.Request(url, headers={"Cookie": cookies, "X-Body": "1"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, data=b"x" * 100))
    refused.value.close()


def test_the_server_stops_while_clients_are_connected():
    with ExitStack() as at_the_end:
        with callback_server() as opened:
            at_the_end.enter_context(drips(opened.server_port, 3))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", opened.server_port))


def read_request(client):
    """Read a request whole: a socket that is closed before resets the connection."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (part := client.recv(65_536)):
            return
        head += part
    head, _, body = head.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().splitlines() if line.startswith(b"content-length:")]
    missing = sum(int(line.partition(b":")[2]) for line in lengths) - len(body)
    while missing > 0 and (part := client.recv(65_536)):
        missing -= len(part)


@contextmanager
def answering(answer):
    """Serve one raw answer to each client: bytes, or a function of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve():
            while not over.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    try:
                        read_request(client)
                        answer(client, over) if callable(answer) else client.sendall(answer)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def token_answer(body, *headers):
    head = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *headers, "", ""]).encode() + body


GOOD = {"access_token": "a", "token_type": "bearer"}
ODD = {
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a list": b"[1, 2]",
    "a number": b"7",
    "nothing": b"",
    "null": b"null",
    "html": b"<html>",
    "not utf-8": b"\xff\xfe{",
    "large": json.dumps(GOOD | {"more": "x" * 2_000_000}).encode(),
    "a token that is an object": json.dumps(GOOD | {"access_token": {"a": 1}}).encode(),
    "a refresh token that is a list": json.dumps(GOOD | {"refresh_token": ["a"]}).encode(),
    "an end that is text": json.dumps(GOOD | {"expires_in": "soon"}).encode(),
    "an end that is no number": b'{"access_token": "a", "expires_in": NaN}',
    "an end that is endless": b'{"access_token": "a", "expires_in": 1e999}',
    "a huge number": b'{"access_token": "a", "expires_in": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
def test_an_invalid_token_response_is_not_quoted(body):
    with answering(token_answer(body)) as url:
        with pytest.raises(ControlError) as told:
            a_client(url).refresh("canary")
        assert a_client(url).revoke("canary") in {True, False}

    assert isinstance(told.value, RunFailedError | ServerError)
    assert "127.0.0.1" in told.value.cause
    assert len(str(told.value)) < 300


def test_a_token_lifetime_out_of_range_counts_as_unlimited():
    body = json.dumps(GOOD | {"expires_in": 10**15}).encode()
    with answering(token_answer(body)) as url:
        assert a_client(url).refresh("canary").expires_at is None


def drip_body(client, over):
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(0.1):
        client.sendall(b" ")


def drip_head(client, over):
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.wait(0.1):
        client.sendall(b"A: b\r\n")


def say_nothing(_client, over):
    over.wait(60)


def endless(client, over):
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not over.is_set():
        client.sendall(b" " * 65_536)


@pytest.mark.parametrize("answer", [drip_body, drip_head, say_nothing, endless])
def test_an_endless_token_response_times_out(answer):
    with answering(answer) as url:
        client = replace(a_client(url), timeout_seconds=1.0)
        began = time.monotonic()
        with pytest.raises(ControlError, match=r"did not respond|invalid token response"):
            client.refresh("canary")
        assert client.revoke("canary") is False

        assert time.monotonic() - began < 50  # the test would wait for the server's own end


def test_secrets_do_not_follow_redirects():
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as other:
        caught = []

        def redirect(client, _over):
            client.sendall(
                f"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: {other}/\r\n\r\n".encode()
            )
            caught.append(1)

        with answering(redirect) as url, pytest.raises(RunFailedError, match="invalid token"):
            a_client(url).refresh("canary")
    assert caught == [1]


def a_client(url):
    return OAuthClient(
        source="hq", base_url=url, paths=PATHS, client_id="id", client_secret="s3cret"
    )


PASSWORD = "hunter2"
WRONG_URLS = [
    f"https://ann:{PASSWORD}@hq.example.org",
    f"https://{PASSWORD}@hq.example.org",
    f"https://hq.example.org?key={PASSWORD}",
    f"https://hq.example.org/#{PASSWORD}",
    f"https://hq.example.org?@{PASSWORD}",
    f"https://hq.example.org\\@{PASSWORD}.example.org",
    f"https://hq.example.org\t.{PASSWORD}.example.org",
    f"https://hq .{PASSWORD}",
    f" https://{PASSWORD}.example.org",
    f"https://{PASSWORD}.example.org\n",
    f"https://{PASSWORD}:port",
    f"https://{PASSWORD}:99999",
    f"https://[{PASSWORD}",
    f"https://{PASSWORD}%2f.example.org",
    f"https:///{PASSWORD}",
    f"//{PASSWORD}.example.org",
    f"{PASSWORD}.example.org",
    f"ftp://{PASSWORD}.example.org",
    f"http://{PASSWORD}.example.org",
    f"javascript:{PASSWORD}",
    "",
]


@pytest.fixture(scope="module")
def scout(postgres, tmp_path_factory):
    settings = Settings(
        project_root=Path(__file__).parents[2],
        home=tmp_path_factory.mktemp("home"),
        database_url=embedded_postgres.create_database(
            postgres, f"control_{uuid.uuid4().hex[:10]}"
        ),
        encryption_keys=generate(),
    )
    with Scout(settings) as opened:
        migrate.migrate(opened.installation.store)
        opened.sources.add("hq", "commcare", base_url="https://hq.example.org")
        yield opened


@pytest.mark.parametrize("url", WRONG_URLS)
def test_an_invalid_or_secret_base_url_is_rejected_and_not_shown(scout, url):
    for attempt in (
        lambda: scout.sources.add("odd", "commcare", base_url=url),
        lambda: scout.sources.update("hq", base_url=url),
        lambda: scout.sources.update("hq", config={"base_url": url}),
    ):
        with pytest.raises(SettingsError, match="base URL") as told:
            attempt()
        assert PASSWORD not in str(told.value)
    assert scout.sources.show("hq").base_url == "https://hq.example.org"


def test_urls_with_passwords_are_rejected_in_all_settings(scout):
    with pytest.raises(SettingsError, match="contains a password") as told:
        scout.sources.update("hq", config={"case_types": [f"https://u:{quote(PASSWORD)}@h"]})

    assert PASSWORD not in str(told.value)
