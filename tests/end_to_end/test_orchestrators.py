"""The files for Airflow, Dagster, Prefect and Jupyter, as people copy them, load real data.

The packages of the orchestrators are too large to install for this; each file's functions run here
with the real scout, and only the decorators of its package are replaced.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from commcare_sandbox import Sandbox
from scout_control.installation import embedded_postgres, project_folder
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from support.installations import installed
from support.pasted import programs
from support.workers import environment_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


class StoppedError(Exception):
    """What a stand-in raises, with what it was given."""

    def __init__(self, *words, **options):
        super().__init__(*words)
        self.options = options


class FailedError(StoppedError):
    pass


class RetriedError(StoppedError):
    pass


class Decorator:
    """Every decorator of the packages: returns the function as it is."""

    def __call__(self, *given, **_options):
        return given[0] if given and callable(given[0]) else lambda function: function

    def __getattr__(self, _name):
        return self


def stand_ins():
    """Return modules with the names that the files import."""
    anything = Decorator()
    airflow = {"dag": lambda **_: lambda _: lambda: None, "task": anything}
    airflow["get_current_context"] = dict
    errors = {"AirflowException": RetriedError, "AirflowFailException": FailedError}
    dagster = dict.fromkeys(("op", "job", "DynamicOut", "Definitions"), anything)
    dagster["ScheduleDefinition"] = anything
    dagster["OpExecutionContext"] = object
    dagster |= {"Failure": FailedError, "RetryRequested": RetriedError}
    dagster["DynamicOutput"] = list  # which an annotation may subscript, too
    prefect = {"flow": anything, "task": anything, "runtime": SimpleNamespace()}
    members = {"airflow": {}, "airflow.sdk": airflow, "airflow.sdk.exceptions": errors}
    members |= {"dagster": dagster, "prefect": prefect}
    found = {}
    for name, attributes in members.items():
        found[name] = ModuleType(name)
        vars(found[name]).update(attributes)
    return found


@pytest.fixture(scope="module")
def installation(control_postgres, tmp_path_factory):
    """Datasets that load, are paused, and have no account."""
    folder = tmp_path_factory.mktemp("orchestrated")
    url = embedded_postgres.create_database(control_postgres, "orchestrators")
    with installed(url, folder) as made:
        made.paused = made.dataset()
        made.act(exit=75, resume_in=7200)
        assert made.scout.run(made.paused).status == "paused"
        made.act()
        made.loaded = made.dataset()
        made.refused = made.dataset(connect=False)
        made.starters = programs(tmp_path_factory.mktemp("bin"))
        yield made


@pytest.fixture(params=["airflow_dag", "dagster_definitions", "prefect_flow"])
def file(request, installation, monkeypatch):
    """A file, imported where only the command and its variables are known."""
    for name, module in stand_ins().items():
        monkeypatch.setitem(sys.modules, name, module)
    for name, value in environment_of(installation.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCOUT_PROGRAM", str(installation.starters / "scout"))
    monkeypatch.setenv("SCOUT_PROJECT", "river")
    path = EXAMPLES / f"orchestrators/{request.param}.py"
    spec = importlib.util.spec_from_file_location(request.param, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_file_loads_waits_and_gives_up_as_its_exit_codes_say(file, installation):
    assert set(file.list_datasets()) == {
        installation.paused,
        installation.loaded,
        installation.refused,
    }
    done = file.run_dataset(installation.loaded, actor="orchestrator run-7")
    assert done["rows"] == 3
    assert installation.scout.runs.show(done["run_id"]).status == "completed"
    assert "orchestrator run-7" in {each.actor for each in installation.scout.audit.list()}

    stopped = StoppedError if file.__name__ != "prefect_flow" else file.ScoutError
    with pytest.raises(stopped) as refused:
        file.run_dataset(installation.refused, actor="a")
    with pytest.raises(stopped) as paused:
        file.run_dataset(installation.paused, actor="a")
    assert "credentials connect" in str(refused.value) or "account" in str(refused.value)
    if file.__name__ == "prefect_flow":
        states = [SimpleNamespace(result=lambda **_: refused.value)]
        states.append(SimpleNamespace(result=lambda **_: paused.value))
        assert [file.is_worth_retrying(None, None, each) for each in states] == [False, True]
    else:
        assert (type(refused.value), type(paused.value)) == (FailedError, RetriedError)


def test_the_notebook_reads_everything_once_and_then_only_changes(
    control_postgres, tmp_path, monkeypatch, capsys
):
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    code = ["".join(each["source"]) for each in cells if each["cell_type"] == "code"]
    assert not any(each.get("outputs") for each in cells)  # outputs hold data
    root = tmp_path / "project"
    project_folder.create(root)
    own = "jobs: [{name: hq, tasks: [tap-commcare target-scout-postgres]}]\n"  # without dbt
    (root / "meltano.yml").write_text((root / "meltano.yml").read_text().replace("jobs: []\n", own))
    settings = Settings(
        project_root=root,
        home=tmp_path,
        database_url=embedded_postgres.create_database(control_postgres, "notebook"),
        encryption_keys=generate(),
    )
    with Sandbox(cases=40, forms=10) as sandbox:
        login = {"HQ_URL": sandbox.url, "HQ_DOMAIN": sandbox.domain, "HQ_API_KEY": sandbox.api_key}
        variables = environment_of(settings) | login | {"HQ_USERNAME": sandbox.username}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for is_first in (True, False):
            if not is_first:
                sandbox.submit_form()
            names: dict[str, object] = {}
            for cell in code:
                exec(compile(cell, "cell", "exec"), names)
            said = capsys.readouterr().out
            assert sandbox.api_key not in said
            assert names["result"].is_complete
            run, found = names["run"], names["found"]
            assert run.rows_loaded["forms"] == 10 if is_first else run.rows_loaded["forms"] < 10
            assert sum(count for _, count in found.rows) >= 40
