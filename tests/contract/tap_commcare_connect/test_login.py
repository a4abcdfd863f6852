"""Logins: one refresh for all, kept before it is used, and never shown."""

from __future__ import annotations

import json
import stat

import pytest
from commcare_sandbox import Sandbox


@pytest.fixture
def oauth(sandbox: Sandbox):
    """Settings of a login that refreshes, which nobody else has used."""
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


def test_the_next_run_goes_on_with_the_token_of_the_file(
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


def test_a_dead_access_token_that_nobody_renews_ends_with_77(tap, select):
    run = tap(catalog=select("users"), access_token="dead")

    assert run.code == 77
    assert "connect this account again" in run.log


def test_a_token_without_the_scope_ends_with_77(sandbox: Sandbox, tap, select):
    token = sandbox.connect.issue_tokens(scope="read")["access_token"]

    assert tap(catalog=select("users"), access_token=token).code == 77


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"access_token": None}, "login"),
        ({"client_id": "x", "access_token": None}, "login"),
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
