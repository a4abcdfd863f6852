"""A server that does not answer is named while a command waits for it."""

from __future__ import annotations

import threading

import pytest
from scout_control.store import postgres
from scout_control.store.postgres import NOTED_AFTER_SECONDS, slow_connection_noted


@pytest.fixture
def noted(monkeypatch):
    found, is_noted = [], threading.Event()

    def warning(text, *values):
        found.append(text % values)
        is_noted.set()

    monkeypatch.setattr(postgres.log, "warning", warning)
    return found, is_noted


def test_a_slow_server_is_named_while_it_is_waited_for(noted):
    found, is_noted = noted
    with slow_connection_noted("Postgres at db.example", 0.01):
        assert is_noted.wait(60)

    assert found == ["Postgres at db.example has not answered for 0.0 s; waiting up to 10 s."]
    assert NOTED_AFTER_SECONDS < 2


def test_a_quick_server_is_not(noted):
    found, _ = noted
    with slow_connection_noted("Postgres at db.example"):
        pass
    with pytest.raises(OSError, match="refused"), slow_connection_noted("Postgres"):
        raise OSError("refused")

    assert found == []
