"""What is said of datasets whose source is no longer linked."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

import pytest
from scout_control.rules import unlinked

AT = datetime(2026, 11, 30, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "last_sync_at", "sync_error", "holds"),
    [
        ("pending", None, None, False),
        ("pending", AT, None, True),
        ("ready", AT, None, True),
        ("error", None, "failed", True),  # it may have committed rows before
        ("expired", None, None, False),
        ("expired", None, "a view depends on it", True),
    ],
)
def test_whether_a_dataset_holds_data(status, last_sync_at, sync_error, holds):
    assert unlinked.holds_data(status, last_sync_at, sync_error) is holds


@pytest.mark.parametrize(
    ("until", "kept"), [(AT, "until 2026-11-30 03:12Z unless it is used."), (None, "forever.")]
)
def test_a_reason_says_until_when_data_is_kept_and_what_to_do(until, kept):
    said = unlinked.reason("big river", "hq", until)

    assert f"kept {kept}" in said
    assert "scout links add hq --project 'big river'" in said
    assert said.endswith("scout links remove hq --drop --project 'big river'")


@pytest.mark.parametrize("command", [unlinked.link_command, unlinked.drop_command])
@pytest.mark.parametrize("name", ["river", "big river", "o'hare", "$HOME"])
def test_commands_have_one_word_per_name(command, name):
    words = shlex.split(command(name, f"{name} hq"))

    assert {name, f"{name} hq"} <= set(words)
