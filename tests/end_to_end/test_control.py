"""The commands of the guide for a new user, from `scout init` to a query, and back."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commcare_sandbox import Sandbox
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from support.preloaded import run_scout

ROOT = Path(__file__).parents[2]
LOADED = {"cases": 120, "forms": 40}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(cases=120, forms=40) as started:
        yield started


@pytest.fixture(scope="module")
def scout(control_postgres, tmp_path_factory):
    """Run the command as a program; return its exit code, stdout and stderr."""
    environment = os.environ | {
        "SCOUT_DATABASE_URL": embedded_postgres.create_database(
            control_postgres, "control_end_to_end"
        ),
        "SCOUT_ENCRYPTION_KEYS": generate(),
        "SCOUT_HOME": str(tmp_path_factory.mktemp("home")),
        "SCOUT_PROJECT_ROOT": str(ROOT),
    }

    def run(*words, given="", **variables):
        done = run_scout([*words, "--json"], environment | variables, given)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    run.environment = environment
    return run


def test_all_commands_of_the_guide(scout, sandbox):
    assert scout("projects", "list")[0] == 2
    assert scout("init")[:1] == (0,)
    assert scout("projects", "create", "river")[1]["id"] == "river"
    address = ("--base-url", sandbox.url, "-c", f"domain={sandbox.domain}")
    assert scout("sources", "add", "hq", "--type", "commcare", *address)[0] == 0
    linked = scout("sources", "link", "hq", "--project", "river", "--mode", "project")[1]
    assert linked["dataset"] == "river/hq"

    code, answer, said = scout("run", "river/hq")
    assert (code, answer["error_code"]) == (77, "AUTH_TOKEN_MISSING")
    assert "scout credentials connect hq --project river" in said

    owner = ("hq", "--project", "river")
    kind = ("--kind", "api_key", "--username", sandbox.username)
    wrong = ("credentials", "connect", *owner, *kind, "--from-stdin")
    code, answer, said = scout(*wrong, given="wrong\n")
    assert (code, answer["error"]["code"]) == (77, "AUTH_TOKEN_EXPIRED")
    assert "HTTP 401" in answer["error"]["message"]
    assert "Nothing was stored." in said
    assert scout("credentials", "list")[1] == []
    assert scout(*wrong, "--no-test", given="wrong\n")[1]["status"] == "connected"
    code, answer, said = scout("credentials", "check", *owner)
    assert (code, answer["error"]["code"]) == (77, "AUTH_TOKEN_EXPIRED")
    assert scout("credentials", "list")[1][0]["status"] == "needs reconnect"
    right = scout("credentials", "connect", *owner, *kind, "--from-env", "KEY", KEY=sandbox.api_key)
    assert sandbox.api_key not in json.dumps(right[1]) + right[2]
    assert scout("credentials", "check", *owner)[1]["status"] == "connected"

    code, answer, said = scout("run", "river/hq")
    assert (code, answer["status"], answer["transform_error"]) == (0, "completed", None)
    assert {name: answer["sources"][name]["rows"] for name in LOADED} == LOADED
    assert answer["rows_loaded"] == sum(each["rows"] for each in answer["sources"].values())
    assert scout("runs", "show", answer["run_id"])[1]["status"] == "completed"

    found = scout("query", "river/hq", "select count(*) from stg_commcare__cases")[1]
    assert (found["columns"], found["rows"], found["truncated"]) == (["count"], [[120]], False)
    schema = answer["schema"]
    assert schema.startswith("data_river_commcare_")
    tables = scout("describe", "river/hq", "--tables")[1]["tables"]
    assert {"table", "description"} == {name for each in tables for name in each}
    [table] = scout("describe", "river/hq", "--table", "stg_commcare__cases")[1]["tables"]
    assert (table["table"], bool(table["columns"])) == ("stg_commcare__cases", True)
    assert scout("describe", "river/hq", "stg_commcare__cases", "--tables")[0] == 2
    assert scout("search-path", "--project", "river")[1]["search_path"] == f'"public", "{schema}"'
    assert scout("touch", "river/hq")[0] == 0

    status = scout("status", "--project", "river")[1]
    assert status["available_sources"][0]["projects"] == ["river"]
    assert status["connections"][0]["status"] == "connected"
    assert status["synced_data"][0]["row_counts"]["cases"] == 120
    findings = scout("doctor")[1]["findings"]
    assert [each for each in findings if not each["is_well"]] == []

    alias = answer["alias"]
    assert alias == "river_hq"
    paste_the_guide_of_analysts(scout.environment)

    sandbox.set(fault="429", fault_every=1, retry_after="3600")
    code, answer, said = scout("run", "river/hq")
    assert (code, answer["status"]) == (75, "paused")
    assert answer["resume_at"] in said
    code, _, said = scout("run", "river/hq")
    assert code == 75
    sandbox.set(fault="", fault_every=0)
    code, answer, said = scout("run", "river/hq", "--early")
    assert (code, answer["status"], answer["attempt"]) == (0, "completed", 2)

    assert scout("credentials", "revoke", *owner, "--yes")[0] == 0
    assert scout("datasets", "drop", "river/hq", "--yes")[0] == 0
    assert scout("query", "river/hq", "select 1")[0] == 1


def paste_the_guide_of_analysts(environment):
    """Run the commands of docs/guides/analyse.md in a shell, and its snippets in a notebook."""
    guide = (ROOT / "docs/guides/analyse.md").read_text()
    pasted = [text for text in blocks(guide, "sh") if "--listen" not in text]
    shell = ["bash", "-c", "set -eo pipefail\n" + "\n".join(pasted)]
    notebook = [sys.executable, "-c", "\n".join(blocks(guide, "python"))]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outputs = []
    for command in (shell, notebook):
        done = subprocess.run(
            command,
            env=environment | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        outputs.append(done.stdout)

    of_shell, of_notebook = outputs
    assert re.search(r"^postgresql://data_river_commcare_\w+_login:[\w-]+@", of_shell, re.MULTILINE)
    assert re.search(r"river_hq \| stg_commcare__cases +\| view", of_shell)
    assert "river/hq has no login for tools any longer." in of_shell
    [counted] = re.findall(r"^\[\(.*\)\]$", of_notebook, re.MULTILINE)
    rows = dict(ast.literal_eval(counted))
    assert sum(rows.values()) == 120
    assert len(rows) > 3
    for case_type, count in rows.items():
        if case_type is None:  # pandas leaves it out, and psql shows nothing
            continue
        assert re.search(rf"^{case_type} +{count}$", of_notebook, re.MULTILINE)  # by pandas
        assert re.search(rf"^ *{case_type} +(\| +)?{count}$", of_shell, re.MULTILINE)


def blocks(guide, language):
    return re.findall(rf"```{language}\n(.*?)```", guide, re.DOTALL)


def test_the_python_example_of_the_guide_works(
    control_postgres, sandbox, tmp_path, monkeypatch, capsys
):
    guide = (ROOT / "docs/guides/embed.md").read_text()
    [example, *_] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    url = embedded_postgres.create_database(control_postgres, "control_of_the_guide")
    monkeypatch.setenv("SCOUT_DATABASE_URL", url)
    monkeypatch.setenv("SCOUT_ENCRYPTION_KEYS", generate())
    monkeypatch.setenv("SCOUT_HOME", str(tmp_path))
    monkeypatch.setenv("SCOUT_PROJECT_ROOT", str(ROOT))
    login = {"user": sandbox.username, "key": sandbox.api_key}
    exec(example, {"url": sandbox.url, "domain": sandbox.domain, **login})
    said = capsys.readouterr().out

    assert "completed {" in said
    assert said.splitlines()[-1] == "[(120,)]"


def test_errors_have_the_documented_exit_codes(scout):
    scout("init")

    assert scout("runs", "show", "nope")[0] == 3
    assert scout("run", "missing/dataset")[:2] == (
        3,
        {
            "success": False,
            "error": {
                "code": "NOT_FOUND",
                "reason": "not found",
                "message": "No dataset 'missing/dataset' exists.",
                "remedy": "See: scout datasets list",
            },
        },
    )
    assert scout("runs", "show")[0] == 2
    assert scout("sources", "add", "x", "--type", "commcare", "-c", "domian=x")[0] == 2
    assert scout("init", SCOUT_ENCRYPTION_KEYS="")[0] == 2
    assert scout("init", SCOUT_DATABASE_URL="mysql://x")[0] == 2
    assert scout("projects", "list", SCOUT_DATABASE_URL="postgresql://x@127.0.0.1:9/x")[0] == 1
