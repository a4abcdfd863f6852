"""How long a person waits for the sessions that keep data from being dropped."""

from __future__ import annotations

import pytest
from scout_control.datasets import dataset_drop
from scout_control.datasets.lock_holders import LockHolder
from scout_control.datasets.schema_drop import BlockedError

SESSION = LockHolder(pid=7, gid=None, role="analyst", database="scout")


def blocked(wait_seconds):
    return BlockedError("data_x", [SESSION], wait_seconds, "scout")


def remover(*results):
    """Return a function that returns or raises these results, one per call."""
    left = list(results)

    def remove():
        result = left.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return remove


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(dataset_drop, "POLL_SECONDS", 0)


@pytest.mark.parametrize("is_removed", [True, False])
def test_an_answer_without_a_block_is_final(is_removed):
    assert dataset_drop.retry_while_blocked(remover(is_removed)) is is_removed


def test_it_waits_for_the_grace_period_of_a_session_and_logs_it_once(caplog):
    assert dataset_drop.retry_while_blocked(remover(blocked(30), blocked(30), True))
    assert [record.message for record in caplog.records] == [str(blocked(30))]


def test_after_a_block_another_process_may_be_removing_the_data():
    assert dataset_drop.retry_while_blocked(remover(blocked(30), False, True))


def test_a_session_that_cannot_be_terminated_ends_the_wait():
    with pytest.raises(BlockedError, match="session 7"):
        dataset_drop.retry_while_blocked(remover(blocked(30), blocked(0)))


def test_the_wait_has_an_end(monkeypatch):
    monkeypatch.setattr(dataset_drop, "EXTRA_WAIT_SECONDS", -60.0)

    with pytest.raises(BlockedError):
        dataset_drop.retry_while_blocked(remover(blocked(30)))
