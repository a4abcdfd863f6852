"""Logins: one refresh serves all requests, is stored before it is used, and never shown."""

from __future__ import annotations

import json
import stat

import pytest
from commcare_sandbox import Sandbox


@pytest.fixture
def oauth(sandbox: Sandbox):
    """Settings with a refresh token that no other test has used."""
    tokens = sandbox.connect.issue_tokens()
    logins = sandbox.connect.logins()
    return {
        "access_token": None,
        "client_id": logins["client_id"],
        "client_secret": logins["client_secret"],
        "refresh_token": tokens["refresh_token"],
    }


def test_a_token_that_dies_in_the_middle_is_refreshed_once_for_all(
    sandbox: Sandbox, tap, select, oauth, tmp_path
):
    # All four requests in flight meet the dead token at the same time.
    sandbox.set(latency_ms=60, connect_token_requests=30)
    before = sandbox.connect.logins()["refreshes"]
    file = tmp_path / "credential"
    run = tap(
        catalog=select("visits", "users", "payments", "completed_works"),
        credential_file=str(file),
        concurrency=4,
        **oauth,
    )
    after = sandbox.connect.logins()
    total = sandbox.requests()

    assert run.code == 0
    assert len(set(run.keys("visits"))) == len(run.keys("visits")) == 300
    asked = len(run.of("STATE"))
    assert 1 < after["refreshes"] - before <= asked // 30 + 2
    assert json.loads(file.read_bytes())["refresh_token"] == after["refresh_token"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert total["by_path"]["/connect/o/token/"] >= after["refreshes"] - before
    assert "lost" not in run.log


def test_a_token_that_dies_under_four_requests_in_flight_costs_one_refresh_and_no_row(
    sandbox: Sandbox, tap, select, oauth, tmp_path
):
    # Every answer takes long enough that four are always in flight when the token dies.
    sandbox.set(latency_ms=200)
    before = sandbox.connect.logins()["refreshes"]
    chosen = oauth | {"credential_file": str(tmp_path / "credential"), "concurrency": 4}
    with tap.start(catalog=select("visits", "users"), page_size=10, **chosen) as process:
        printed = [process.stdout.readline() for _ in range(60)]
        # As by a refresh elsewhere: the token is dead at once, whatever its age.
        sandbox.connect.expire_access_tokens()
        rest, log = process.stdout.read(), process.stderr.read().decode()
    messages = [json.loads(line) for line in b"".join([*printed, rest]).splitlines()]
    records = [m for m in messages if m["type"] == "RECORD"]
    visits = [m["record"]["id"] for m in records if m["stream"] == "visits"]

    assert process.returncode == 0, log
    assert len(set(visits)) == len(visits) == 300
    assert sum(m["stream"] == "users" for m in records) == 48
    # One to begin with, and one for all four.
    assert sandbox.connect.logins()["refreshes"] - before == 2


def test_two_processes_that_share_a_credential_file_share_each_refresh(
    sandbox: Sandbox, tap, select, oauth, tmp_path
):
    sandbox.set(latency_ms=100)
    before = sandbox.connect.logins()["refreshes"]
    chosen = oauth | {"credential_file": str(tmp_path / "credential"), "page_size": 10}
    started = [tap.start(catalog=select("visits"), **chosen) for _ in range(2)]
    with started[0], started[1]:
        printed = [[p.stdout.readline() for _ in range(20)] for p in started]
        sandbox.connect.expire_access_tokens()
        rest = [(process.stdout.read(), process.stderr.read()) for process in started]

    for process, first, (last, log) in zip(started, printed, rest, strict=True):
        lines = b"".join([*first, last]).splitlines()
        visits = [m["record"]["id"] for m in map(json.loads, lines) if m["type"] == "RECORD"]
        assert process.returncode == 0, log
        assert len(set(visits)) == len(visits) == 300
    assert sandbox.connect.logins()["refreshes"] - before == 2


def test_the_next_run_continues_with_the_token_in_the_file(
    sandbox: Sandbox, tap, select, oauth, tmp_path
):
    given = oauth | {"credential_file": str(tmp_path / "credential")}
    first = tap(catalog=select("organizations"), **given)
    sandbox.connect.expire_access_tokens()
    second = tap(catalog=select("organizations"), **given)

    assert (first.code, second.code) == (0, 0)
    assert len(second.records("organizations")) == 1


def test_a_token_that_cannot_be_kept_is_announced_as_lost_and_not_shown(
    sandbox: Sandbox, tap, select, oauth
):
    run = tap(catalog=select("organizations"), **oauth)
    rotated = sandbox.connect.logins()["refresh_token"]

    assert run.code == 0
    assert "is lost now" in run.log.splitlines()[-2] + run.log.splitlines()[-3]
    printed = run.log + json.dumps(run.messages)
    for secret in (rotated, oauth["refresh_token"], oauth["client_secret"]):
        assert secret not in printed


def test_a_public_client_has_no_secret(sandbox: Sandbox, tap, select):
    logins = sandbox.connect.logins()
    tokens = sandbox.connect.issue_tokens(client_id=logins["public_client_id"])
    run = tap(
        catalog=select("organizations"),
        access_token=None,
        client_id=logins["public_client_id"],
        refresh_token=tokens["refresh_token"],
    )

    assert run.code == 0


@pytest.mark.parametrize(
    "wrong",
    [{"refresh_token": "dead"}, {"client_secret": "wrong"}, {"client_id": "nobody"}],
    ids=str,
)
def test_a_refused_login_ends_with_77(tap, select, oauth, wrong):
    run = tap(catalog=select("users", "visits"), **(oauth | wrong))

    assert run.code == 77
    assert "Traceback" not in run.log
    assert oauth["client_secret"] not in run.log


def test_an_expired_access_token_without_renewal_ends_with_77(tap, select):
    run = tap(catalog=select("users"), access_token="dead")

    assert run.code == 77
    assert "must reconnect (with scout: scout credentials connect)" in run.log


def test_a_token_without_the_scope_ends_with_77(sandbox: Sandbox, tap, select):
    token = sandbox.connect.issue_tokens(scope="read")["access_token"]

    assert tap(catalog=select("users"), access_token=token).code == 77


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"access_token": None}, "credential"),
        ({"client_id": "x", "access_token": None}, "credential"),
        ({"base_url": "http://connect.example.org"}, "https"),
        ({"opportunity_ids": ["x"]}, "opportunity_ids"),
        ({"page_size": 0}, "page_size"),
        ({"visit_full_refresh_days": -1}, "visit_full_refresh_days"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named_and_nothing_is_started(sandbox: Sandbox, tap, settings, word):
    sandbox.forget_requests()
    run = tap(**settings)

    assert run.code == 2
    assert word in run.log
    assert sandbox.requests()["total"] == 0
    assert "Traceback" not in run.log
