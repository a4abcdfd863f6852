"""What a plugin inherits, and how its secrets get into its configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scout_control.meltano import plugin_launcher

LAUNCH = {
    "names": ["HOME", "EMPTY"],
    "prefixes": ["TAP_A_"],
    "environment": {"TOKEN": "canary", "HOME": "/own"},
    "files": {"PGPASSFILE": "secret"},
}


@pytest.fixture
def variables(monkeypatch):
    for name in ("HOME", "EMPTY", "TAP_A_HOST", "TARGET_X_URL", "MELTANO_DATABASE_URI"):
        monkeypatch.setenv(name, name.lower())


def test_only_permitted_variables_are_inherited_and_its_own_ones_win(variables, tmp_path):
    environment = plugin_launcher._environment(LAUNCH, str(tmp_path))

    path = environment.pop("PGPASSFILE")
    assert environment == {
        "EMPTY": "empty",
        "HOME": "/own",
        "TAP_A_HOST": "tap_a_host",
        "TOKEN": "canary",
    }
    assert Path(path).read_text() == "secret"


@pytest.mark.parametrize("option", ["--config", "-c"])
def test_secrets_are_merged_into_a_copy_of_the_configuration(option, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"url": "u", "oauth": {"scope": "s", "token": None}}))
    secrets = {"oauth": {"token": "canary"}, "list": [1]}

    first, second, path, *rest = plugin_launcher._arguments(
        ["--discover", option, str(config), "--catalog", "c"], secrets, str(tmp_path)
    )

    assert (first, second, rest) == ("--discover", option, ["--catalog", "c"])
    assert json.loads(Path(path).read_text()) == {
        "url": "u",
        "oauth": {"scope": "s", "token": "canary"},
        "list": [1],
    }
    assert "canary" not in config.read_text()


def test_without_secrets_the_arguments_stay_as_they_are(tmp_path):
    arguments = ["--config", "nowhere.json", "--config"]

    assert plugin_launcher._arguments(arguments, {}, str(tmp_path)) == arguments


def test_it_imports_neither_typing_nor_pathlib():
    code = (
        "import sys; import scout_control.meltano.plugin_launcher;"
        "print({'typing', 'pathlib', 'psycopg', 'logging'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "set()"
