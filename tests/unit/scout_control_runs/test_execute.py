"""What an attempt writes when a phase fails or the run is lost: the phases are stand-ins."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from scout_control.errors import CredentialMissingError, RunFailedError, ServerError
from scout_control.runs import execute, finish, prepare
from scout_control.runs.context import RunContext
from scout_control.runs.execute import Attempt
from scout_control.runs.heartbeat import RETRY_LOCK_AFTER, LossReason, RunLostError


@pytest.fixture
def written(monkeypatch):
    """What the attempts of a test write to the store."""
    found = []
    monkeypatch.setattr(
        finish, "finish", lambda _installation, _run, worker, result: found.append((worker, result))
    )
    monkeypatch.setattr(
        finish,
        "requeue",
        lambda _installation, _run, worker, wait, _why, _found: found.append((worker, wait)),
    )
    return found


class Log:
    """The log of a run, in memory."""

    def __init__(self):
        self.lines, self.is_closed = [], False

    def say(self, text):
        assert not self.is_closed
        self.lines.append(text)

    def progress(self, event):
        self.say(event.message)

    def close(self):
        self.is_closed = True


@pytest.fixture
def log():
    return Log()


def an_attempt(log, locks=None, **given):
    source = SimpleNamespace(source=SimpleNamespace(name="hq"))
    run = SimpleNamespace(id="r", dataset=SimpleNamespace(project_source=source))
    context = RunContext(worker="w", **given)
    return Attempt(installation=None, run=run, context=context, locks=locks, log=log)


@pytest.fixture
def attempt(monkeypatch, log):
    """Execute an attempt whose preparation raises an error."""

    def execute(error, **given):
        @contextmanager
        def prepared(_installation, _run):
            raise error
            yield

        monkeypatch.setattr(prepare, "prepared", prepared)
        an_attempt(log, **given).execute()

    return execute


def test_an_error_in_a_phase_is_how_the_run_ends(attempt, written, log):
    error = CredentialMissingError("Missing.", "Connect.")
    attempt(error)
    [(worker, result)] = written

    assert (worker, result.error, result.status) == ("w", error, "failed")
    assert log.lines[0] == "Preparing hq"
    assert log.lines[-1] == "Run failed after 0 s, 0 rows written: Missing. Connect."
    assert log.is_closed


@pytest.fixture
def full(monkeypatch):
    """Let the store be full for some attempts to write the end of a run."""
    tried = []

    def refuse(times):
        def finished(_installation, _run, worker, _result):
            tried.append(worker)
            if len(tried) <= times:
                raise ServerError("The server is out of disk.", "Free some.")

        monkeypatch.setattr(finish, "finish", finished)
        return tried

    monkeypatch.setattr(execute, "RETRY_END_SECONDS", 0.0)
    return refuse


def test_the_end_of_a_run_is_written_when_the_store_has_space_again(attempt, full):
    tried = full(3)
    attempt(CredentialMissingError("Missing.", "Connect."))
    assert tried == ["w"] * 4


def test_a_store_that_stays_full_is_reported(attempt, full, monkeypatch):
    monkeypatch.setattr(execute, "MAX_STORE_OUTAGE", timedelta())
    tried = full(1000)
    with pytest.raises(ServerError, match="out of disk"):
        attempt(CredentialMissingError("Missing.", "Connect."))
    assert len(tried) < 1000


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), SystemExit(1)])
def test_an_internal_error_is_written_too_and_goes_to_the_caller(attempt, written, log, error):
    with pytest.raises(type(error)):
        attempt(error)
    [(_, result)] = written

    assert isinstance(result.error, RunFailedError)
    assert type(error).__name__ in result.error.cause
    assert "a bug" not in str(result.error)  # it may hold a value
    assert type(error).__name__ in log.lines[-1]


@pytest.mark.parametrize(
    ("reason", "wait"),
    [
        (LossReason.STOPPED, timedelta()),
        (LossReason.YIELDED, timedelta()),
        (LossReason.CREDENTIAL_IN_USE, RETRY_LOCK_AFTER),
        (LossReason.MOVED, None),
        (LossReason.UNREACHABLE, None),
    ],
)
def test_a_lost_run_is_requeued_or_left_to_whoever_has_it(attempt, written, log, reason, wait):
    attempt(RunLostError(reason))

    assert written == ([] if wait is None else [("w", wait)])
    assert log.lines[-1] == f"Stopped: {reason}."


def test_a_run_that_was_stopped_says_by_what(attempt, written, log):
    attempt(RunLostError(LossReason.STOPPED), stop_reason=lambda: "interrupted by Ctrl-C")
    assert log.lines[-1] == "Stopped: interrupted by Ctrl-C."
    assert written == [("w", timedelta())]


def test_a_signal_that_came_after_the_loss_is_not_its_reason(attempt, log):
    attempt(RunLostError(LossReason.MOVED), stop_reason=lambda: "interrupted by Ctrl-C")
    assert log.lines[-1] == f"Stopped: {LossReason.MOVED}."


def test_two_runs_never_use_one_rotating_credential(monkeypatch, written, log):
    credential = SimpleNamespace(rotates=True, credential_id="c")
    source_type = SimpleNamespace(job="toy-sync")

    @contextmanager
    def prepared(_installation, _run):
        yield SimpleNamespace(credential=credential, source_type=source_type)

    monkeypatch.setattr(prepare, "prepared", prepared)
    locks = SimpleNamespace(acquire=lambda _name: False)
    an_attempt(log, locks).execute()

    assert written == [("w", RETRY_LOCK_AFTER)]
