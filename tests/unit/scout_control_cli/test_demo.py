"""What ``scout demo`` prints, without running it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from scout_control.cli.main import main


@pytest.mark.parametrize("words", [("--json", "demo", "--stop"), ("demo", "--stop", "--json")])
def test_with_json_standard_output_is_one_document(tmp_path, monkeypatch, words):
    monkeypatch.setenv("SCOUT_HOME", str(tmp_path))
    done = CliRunner().invoke(main, words)

    assert (done.exit_code, json.loads(done.stdout)) == (0, {"stopped": []})
