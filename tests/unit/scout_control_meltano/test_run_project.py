"""The project of one run, derived from meltano.yml, and what each of its plugins may see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from scout_control.errors import SettingsError
from scout_control.meltano.process import Pipeline
from scout_control.meltano.run_project import write
from scout_control.meltano.run_server.plugin_environment import plugin_launches

PROJECT = """
project_id: p
env: {REGION: north}
environments: [{name: prod, env: {STAGE: prod}}]
include_paths: [more/*.yml]
jobs: [{name: j, tasks: [tap-a target-x dbt:run]}]
plugins:
  extractors:
  - name: tap-a
    namespace: tap_a
    executable: bin/tap-a
    label: for people
    env: {JAVA_HOME: /opt/java}
    settings:
    - {name: host, description: for people}
    - {name: oauth.token, sensitive: true}
    - {name: oauth.attempts, kind: integer, sensitive: true}
    - {name: 's3\\.flag', kind: boolean, kind_of: x, sensitive: true}
    - {name: list, kind: array, sensitive: true}
    - {name: file, value: $MELTANO_PROJECT_ROOT/a, env: A_FILE}
  - {name: tap-b, inherit_from: tap-a, config: {host: "${HOST_OF_B}"}}
  - {name: tap-c, pip_url: tap-c}
  - {name: tap-d, variant: v}
  loaders:
  - {name: target-x, namespace: target_x, settings: [{name: url, sensitive: true}, {name: size}]}
"""
INCLUDED = """
plugins:
  utilities:
  - name: dbt
    executable: scout-dbt
    commands: {run: {args: run}, clean: {args: clean, executable: tools/clean}}
"""
LOCK = {"name": "tap-d", "namespace": "tap_d", "executable": "tap-d-program", "settings": []}
DOTENV = """
TAP_A_HOST=of-dotenv
TAP_A_PASSWORD=canary-a
TARGET_X_URL=canary-x
HOST_OF_B=b.test
UNRELATED=canary-other
"""


@pytest.fixture
def root(tmp_path) -> Path:
    made = tmp_path / "root"
    for path, text in (
        ("meltano.yml", PROJECT),
        ("more/dbt.yml", INCLUDED),
        ("plugins/extractors/tap-d--v.lock", json.dumps(LOCK)),
        (".env", DOTENV),
        (".meltano/extractors/tap-c/venv/bin/tap-c", ""),
    ):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text)
    return made


@pytest.fixture
def run(root, tmp_path):
    """Return a function that writes a project: it returns the file, the project, the launches."""

    def start(*blocks, settings=(), secrets=(), database_url=None):
        work = tmp_path / "work"
        work.mkdir()
        project = write(root, work / "project", Path("/launcher"), blocks)
        pipeline = Pipeline(
            project_root=root,
            blocks=blocks,
            dataset_schema="data_x",
            database_uri="",
            settings=dict(settings),
            secrets=dict(secrets),
            database_url=database_url,
            project_id="river",
        )
        file = yaml.safe_load((work / "project/meltano.yml").read_text())
        return file, project, plugin_launches(pipeline, project)

    return start


def test_the_file_has_the_plugins_of_the_run_as_launchers_without_documentation(
    run, root, tmp_path
):
    file, _, found = run("tap-a", "target-x", "dbt:run")

    assert {kind: [each["name"] for each in found] for kind, found in file["plugins"].items()} == {
        "extractors": ["tap-a"],
        "loaders": ["target-x"],
        "utilities": ["dbt"],
    }
    assert "jobs" not in file
    assert file["environments"] == [{"name": "prod", "env": {"STAGE": "prod"}}]
    (tap,) = file["plugins"]["extractors"]
    assert tap["executable"] == f"{tmp_path}/work/bin/tap-a"
    assert Path(tap["executable"]).readlink() == Path("/launcher")
    assert tap["settings"][-1]["value"] == f"{root}/a"
    assert "for people" not in yaml.safe_dump(file)
    assert (tmp_path / "work/project/more").readlink() == root / "more"
    assert not (tmp_path / "work/project/.env").exists()
    assert {name: each.program for name, each in found.items()} == {
        "tap-a": f"{root}/bin/tap-a",
        "target-x": "target-x",
        "dbt": "scout-dbt",
        "dbt:clean": f"{root}/tools/clean",
    }


def test_a_plugin_is_found_by_inheritance_venv_and_lock_file(run, root):
    file, _, found = run("tap-b", "tap-c", "tap-d")

    assert [each["name"] for each in file["plugins"]["extractors"]] == [
        *("tap-b", "tap-a", "tap-c", "tap-d")
    ]
    assert found["tap-b"].program == f"{root}/bin/tap-a"
    assert found["tap-c"].program == f"{root}/.meltano/extractors/tap-c/venv/bin/tap-c"
    assert found["tap-d"].program == "tap-d-program"
    assert "TAP_A_" in found["tap-b"].prefixes


def test_each_plugin_gets_its_own_secrets_and_variables_only(run):
    _, project, found = run(
        *("tap-a", "target-x", "dbt:run"),
        settings={"TAP_A_HOST": "h", "TARGET_X_SIZE": "5", "EXTRA": "e", "TAP_A_LIST": "[1]"},
        secrets={"TAP_A_OAUTH_TOKEN": "canary-t", "TARGET_X_URL": "canary-u"},
        database_url="postgresql://w:canary:p@h:6000/d",
    )
    tap, target, dbt = (found[name] for name in ("tap-a", "target-x", "dbt"))

    assert "canary" not in json.dumps([dict(tap.files), dict(target.files), dict(dbt.environment)])
    assert {name for name in tap.environment if name.startswith("TA")} == {
        *("TAP_A_OAUTH_TOKEN", "TAP_A_PASSWORD", "TAP_A_LIST")
    }
    assert {name for name in target.environment if name.startswith("TA")} == {"TARGET_X_URL"}
    assert target.environment["TARGET_X_URL"] == "canary-u"
    assert (tap.environment | target.environment).keys().isdisjoint({"PGHOST", "SCOUT_PROJECT"})
    assert dbt.files == {"PGPASSFILE": "*:*:*:*:canary\\:p\n"}
    assert dbt.environment["SCOUT_PROJECT"] == "river"
    assert (dbt.environment["PGUSER"], dbt.environment["PGPORT"]) == ("w", "6000")
    assert {"JAVA_HOME", "A_FILE", "REGION", "STAGE", "EXTRA", "HOME"} <= set(tap.names)
    assert set(target.names).isdisjoint({"JAVA_HOME", "TAP_A_HOST", "TAP_A_LIST"})
    assert set(dbt.names).isdisjoint({"TAP_A_HOST", "TARGET_X_SIZE", "MELTANO_DATABASE_URI"})
    assert {"TAP_A_OAUTH_TOKEN", "TARGET_X_URL", "TAP_A_LIST"} <= project.secret_names
    seen = project.without_secrets({"TAP_A_HOST": "h", "TAP_A_LIST": "[1]", "TARGET_X_URL": "u"})
    assert seen == {"TAP_A_HOST": "h"}


def test_secrets_that_are_declared_are_typed_and_nested_in_the_configuration(run):
    secrets = {
        "TAP_A_OAUTH_TOKEN": "t",
        "TAP_A_OAUTH_ATTEMPTS": "12",
        "TAP_A_S3__FLAG": "yes",
        "TAP_A_LIST": '["x"]',
        "TAP_A_UNDECLARED": "u",
    }
    _, _, found = run("tap-a", secrets=secrets)

    assert found["tap-a"].config == {
        "oauth": {"token": "t", "attempts": 12},
        "s3.flag": True,
        "list": ["x"],
    }


def test_a_dotenv_gives_each_plugin_its_own_variables_only(run):
    _, project, found = run("tap-a", "tap-b", "target-x")

    assert project.open_variables == {"TAP_A_HOST": "of-dotenv", "HOST_OF_B": "b.test"}
    assert found["tap-a"].environment["TAP_A_PASSWORD"] == "canary-a"
    assert "canary-other" not in str([each.environment for each in found.values()])
    assert "canary-x" not in str(found["tap-a"].environment)


def test_a_missing_plugin_is_named(run):
    with pytest.raises(SettingsError, match="no plugin 'tap-z'"):
        run("tap-z")
