"""The commands of docs/guides/forty-projects.md, pasted into a shell, print what it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from support.preloaded import run_scout

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/guides/forty-projects.md").read_text()
KEY = "canary-key"
# CommCare HQ, which would be asked whether it accepts the account, is not reached from tests.
WITHOUT_HQ = 'scout() { command scout "$@" $([ "$1" != apply ] || echo --no-test); }'


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(scope="module")
def environment(control_postgres, tmp_path_factory):
    url = embedded_postgres.create_database(control_postgres, "control_forty_projects")
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SCOUT_DATABASE_URL": url,
        "SCOUT_ENCRYPTION_KEYS": generate(),
        "SCOUT_HOME": str(tmp_path_factory.mktemp("home")),
        "SCOUT_PROJECT_ROOT": str(ROOT),
    }


@pytest.fixture(scope="module")
def pasted(environment, tmp_path_factory):
    """Return the folder and the output of all commands, typed one after the other."""
    folder = tmp_path_factory.mktemp("files")
    for text in blocks("yaml"):
        (folder / text.split()[1]).write_text(text)
    # A file, not stdin: that is where the key is pasted.
    script = folder / "pasted.sh"
    script.write_text(f"set -eo pipefail\n{WITHOUT_HQ}\n" + "\n".join(blocks("sh")))
    done = subprocess.run(
        ["bash", script],
        input=f"{KEY}\n",
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    return folder, done.stdout


def test_the_commands_print_what_the_guide_shows(pasted):
    _, output = pasted
    shown = [line for text in blocks("text") for line in text.splitlines()]

    assert len(shown) > 12
    assert [line for line in shown if line not in output.splitlines()] == []


def test_the_results_for_programs_have_the_described_keys(pasted):
    folder, _ = pasted
    plan, result = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("plan", "result")
    )

    assert plan == {"has_changes": False, "changes": [], "notes": []}
    assert result == {**plan, "results": [], "success": True}
    assert json.loads((folder / "scout.schema.json").read_text())["properties"]["projects"]


def test_the_python_example_works(pasted, environment, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    [example] = blocks("python")
    exec(example, {})

    assert capsys.readouterr().out == "True []\n"


def test_mistakes_failures_and_unconfirmed_removals_have_the_documented_exit_codes(
    pasted, environment, tmp_path, monkeypatch
):
    def apply(text, *options):
        (tmp_path / "a.yaml").write_text(text)
        monkeypatch.chdir(tmp_path)
        done = run_scout(["apply", "a.yaml", *options], environment)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    assert apply("projects: {river: {naem: x}}") == (
        2,
        "",
        "a.yaml, line 1: projects.river.naem is unknown. Did you mean name? "
        "Known: name, connection, db_schema, sources.\n"
        "Error: Found 1 mistake; nothing was changed. Correct the files, and apply again.\n",
    )
    code, output, _ = apply("projects: {river: {naem: x}}", "--json")
    assert (code, len(json.loads(output)["error"]["details"])) == (2, 1)
    code, output, said = apply("projects: {river: {}}", "--prune")
    assert code == 2
    assert "- project lake\n" in output
    assert "confirm with --yes" in said
    server = "{host: 127.0.0.1, port: 9, user: u, password: {env: HOME}}"
    code, output, _ = apply(f"connections: {{w: {server}}}\nprojects: {{new: {{}}}}")
    assert code == 1
    assert "Done: 1 of 2 changes. Failed: 1." in output
    assert "\n  failed: " in output
    assert "127.0.0.1:9" in output
