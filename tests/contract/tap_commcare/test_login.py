"""Logins are refreshed during a run, stored when they rotate, and never printed."""

from __future__ import annotations

import json
import stat

import pytest
from commcare_sandbox import Sandbox


def oauth(sandbox: Sandbox, **more):
    return {
        "username": None,
        "api_key": None,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "refresh_token": sandbox.refresh_token,
    } | more


@pytest.mark.parametrize("kind", ["password", "access_token"])
def test_other_logins_work(sandbox: Sandbox, tap, select, kind):
    secret = getattr(sandbox, kind)
    chosen = (
        {"password": secret} if kind == "password" else {"username": None, "access_token": secret}
    )

    run = tap(catalog=select("groups"), **(chosen | {"api_key": None}))

    assert run.code == 0
    assert secret not in run.log


def test_an_expired_bearer_token_needs_a_person(sandbox: Sandbox, tap, select):
    run = tap(catalog=select("groups"), username=None, api_key=None, access_token="dead")

    assert run.code == 77
    assert "river-health" in run.log
    assert "must reconnect (with scout: scout credentials connect)" in run.log


def test_one_run_outlives_many_tokens_without_repeating_a_page(tmp_path, tap_on, select):
    file = tmp_path / "login.json"
    with Sandbox(cases=400, forms=200, access_token_seconds=1, latency_ms=110) as server:
        chosen = oauth(server, credential_file=str(file))

        run = tap_on(server)(
            catalog=select("cases", "forms"), page_size=10, concurrency=1, **chosen
        )

        asked = server.requests()
        alive = server.refresh_token
    assert run.code == 0, run.log
    assert len(run.ids("cases")) == len(set(run.ids("cases"))) == 400
    assert len(run.ids("forms")) == len(set(run.ids("forms"))) == 200
    # The first token, and five that follow it.
    assert run.log.count("The access token was refreshed") >= 6
    pages = sum(n for path, n in asked["by_path"].items() if "/api/" in path)
    refused = asked["by_status"].get("401", 0)
    # Cases: 40 and an empty one. Forms: each page begins with the row that ended the one before.
    assert pages - refused <= 41 + 23
    assert json.loads(file.read_text())["refresh_token"] == alive
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for secret in (alive, chosen["refresh_token"], chosen["client_secret"]):
        assert secret not in run.log
        assert secret not in json.dumps(run.messages)


def test_a_token_that_dies_in_the_middle_is_refreshed_once_for_all(tmp_path, tap_on, select):
    with Sandbox(cases=300, forms=200, latency_ms=40) as server:
        tap = tap_on(server)
        chosen = oauth(server, credential_file=str(tmp_path / "login.json"))
        with tap.start(page_size=10, **chosen) as process:
            for _ in range(100):
                process.stdout.readline()
            server.expire_access_tokens()
            process.stdout.read()
            log = process.stderr.read().decode()

    assert process.returncode == 0, log
    assert log.count("The access token was refreshed") == 2


def test_the_next_run_uses_the_token_that_was_kept(sandbox: Sandbox, tmp_path, tap, select):
    chosen = oauth(sandbox, credential_file=str(tmp_path / "login.json"))

    runs = [tap(catalog=select("groups"), **chosen) for _ in range(3)]
    sandbox.expire_access_tokens()
    runs.append(tap(catalog=select("groups"), **chosen))

    assert [run.code for run in runs] == [0, 0, 0, 0]


def test_two_processes_share_one_login(sandbox: Sandbox, tmp_path, tap):
    chosen = oauth(sandbox, credential_file=str(tmp_path / "login.json"))

    processes = [tap.start(**chosen) for _ in range(3)]
    codes = []
    for process in processes:
        process.communicate(timeout=200)
        codes.append(process.returncode)

    assert codes == [0, 0, 0]


def test_a_rotated_token_without_a_file_is_announced_as_lost(sandbox: Sandbox, tap, select):
    run = tap(catalog=select("groups"), **oauth(sandbox))

    assert run.code == 0
    assert "it is lost now" in run.log
    assert sandbox.refresh_token not in run.log


def test_a_dead_refresh_token_needs_a_person(sandbox: Sandbox, tap, select):
    run = tap(catalog=select("groups"), **oauth(sandbox, refresh_token="dead"))

    assert run.code == 77
    assert "must reconnect (with scout: scout credentials connect)" in run.log


def test_a_file_that_cannot_be_written_stops_before_the_token_is_spent(
    sandbox: Sandbox, tap, select
):
    before = sandbox.refresh_token

    run = tap(catalog=select("groups"), **oauth(sandbox, credential_file="/proc/none/login.json"))

    assert run.code == 2
    assert "credential_file" in run.log
    assert sandbox.refresh_token == before
