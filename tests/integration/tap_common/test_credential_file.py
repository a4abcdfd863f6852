"""Rotated tokens on a real disk: stored before they are used, for their owner only."""

from __future__ import annotations

import json
import stat
import threading
import time
from pathlib import Path

import pytest
from tap_common.auth import RefreshTokenAuth, TokenResponse, refresh_token_refused
from tap_common.credential_file import CredentialFile, StoredToken, digest
from tap_common.errors import CredentialRefusedError, SettingsError


class Server:
    """A token endpoint: each refresh token works once."""

    def __init__(self, alive: str = "r0", seconds: float = 900) -> None:
        self.alive = alive
        self.seconds = seconds
        self.spent = 0

    def exchange(self, refresh_token: str) -> TokenResponse:
        if refresh_token != self.alive:
            raise refresh_token_refused("hq.example")
        self.spent += 1
        self.alive = f"r{self.spent}"
        return TokenResponse(
            access_token=f"a{self.spent}", refresh_token=self.alive, expires_in=self.seconds
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "login.json"


def test_a_new_token_is_on_disk_before_it_is_used(path: Path):
    server = Server()
    login = RefreshTokenAuth("r0", server.exchange, CredentialFile(path))

    header = login.header()

    assert header == "Bearer a1"
    assert json.loads(path.read_text())["refresh_token"] == "r1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir() if "draft" in p.name] == []


def test_the_next_process_uses_what_is_stored_without_spending_anything(path: Path):
    server = Server()
    RefreshTokenAuth("r0", server.exchange, CredentialFile(path)).header()

    header = RefreshTokenAuth("r0", server.exchange, CredentialFile(path)).header()

    assert header == "Bearer a1"
    assert server.spent == 1


def test_an_expired_token_is_refreshed_with_the_stored_one(path: Path):
    server = Server(seconds=0.05)
    RefreshTokenAuth("r0", server.exchange, CredentialFile(path)).header()
    time.sleep(0.06)

    assert RefreshTokenAuth("r0", server.exchange, CredentialFile(path)).header() == "Bearer a2"


def test_a_person_who_connects_again_wins_over_the_file(path: Path):
    old = Server()
    RefreshTokenAuth("r0", old.exchange, CredentialFile(path)).header()
    new = Server(alive="fresh")

    RefreshTokenAuth("fresh", new.exchange, CredentialFile(path)).header()

    assert json.loads(path.read_text())["origin"] == digest("fresh")


def test_a_refusal_spends_nothing_and_leaves_the_file_alone(path: Path):
    server = Server(alive="other")
    login = RefreshTokenAuth("r0", server.exchange, CredentialFile(path))

    with pytest.raises(CredentialRefusedError):
        login.header()

    assert not path.exists()
    assert [p.name for p in path.parent.iterdir() if "draft" in p.name] == []


def test_many_threads_refresh_once(path: Path):
    server = Server()
    login = RefreshTokenAuth("r0", server.exchange, CredentialFile(path), access_token="dead")

    threads = [threading.Thread(target=login.renew, args=("Bearer dead",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert server.spent == 1


@pytest.mark.parametrize("content", ["", "  \n"])
def test_an_empty_file_is_as_good_as_none(path: Path, content: str):
    path.write_text(content)

    assert RefreshTokenAuth("r0", Server().exchange, CredentialFile(path)).header() == "Bearer a1"


@pytest.mark.parametrize("content", ["not JSON", '{"token": "x"}'])
def test_a_file_of_another_program_is_not_overwritten(path: Path, content: str):
    path.write_text(content)

    with pytest.raises(SettingsError, match="credential_file"):
        RefreshTokenAuth("r0", Server().exchange, CredentialFile(path))

    assert path.read_text() == content


def test_a_file_that_a_person_wrote_is_understood(path: Path):
    path.write_text('{"refresh_token": "by hand"}')
    server = Server(alive="by hand")

    assert RefreshTokenAuth("r0", server.exchange, CredentialFile(path)).header() == "Bearer a1"


def test_a_stored_token_survives_its_file(path: Path):
    token = StoredToken(refresh_token="r", access_token="a", expires_at=1.5, origin="o")
    file = CredentialFile(path)

    with file.locked():
        file.write(file.prepare(), token)

    assert file.read() == token
