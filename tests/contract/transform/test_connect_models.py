"""The models of CommCare Connect fit the tables that the target makes of the tap's rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from commcare_sandbox import Sandbox
from scout_dbt.project import yaml_docs

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent
STAGING = ROOT / "transform/models/staging/connect"


@pytest.fixture(scope="module")
def streams() -> list[dict]:
    done = subprocess.run(
        [PROGRAMS / "tap-commcare-connect", "--discover"], capture_output=True, check=True
    )
    return json.loads(done.stdout)["streams"]


@pytest.fixture
def connect(world):
    """The visits and payments of the sandbox, loaded."""
    with Sandbox(cases=0, forms=0, connect_opportunities=4, connect_visits=80) as sandbox:
        config = {
            "base_url": sandbox.connect.url,
            "access_token": sandbox.connect.logins()["access_token"],
        }
        (world.folder / "tap.json").write_text(json.dumps(config))
        printed = subprocess.run(
            [PROGRAMS / "tap-commcare-connect", "--config", world.folder / "tap.json"],
            capture_output=True,
            check=True,
        ).stdout
        shown = {
            kind: [each["row"] for each in sandbox.connect.content(kind)]
            for kind in ("user_visits", "payment")
        }
    world.load(printed)
    return shown


def test_models_build_on_loaded_tables_and_answers_of_visits_are_in_columns(world, connect):
    done = world.build("--vars", "source_type: connect")

    assert done.returncode == 0, done.stdout
    assert " ERROR=0 SKIP=0" in done.stdout
    assert world.views == sorted(path.stem for path in STAGING.glob("*.sql"))
    [(total,)] = world.ask("SELECT sum(amount) FROM stg_connect__payments")
    paid = sum(round(float(row["amount"]) * 100) for row in connect["payment"]) / 100
    assert f"{total}" == f"{paid:.2f}"
    _check_visits(world, connect["user_visits"])


def _check_visits(world, visits: list[dict]) -> None:
    forms = {row["id"]: row["form_json"] for row in visits}
    rows = world.ask(
        "SELECT visit_id, form_id, domain, child_name, child_symptoms, case_ FROM visit_visit"
    )
    assert {visit: (form, name) for visit, form, _, name, *_ in rows} == {
        number: (form["id"], form["form"]["child"]["name"] or None)
        for number, form in forms.items()
    }
    for visit, _, domain, _, symptoms, case in rows:
        assert domain == forms[visit]["domain"]
        assert (symptoms or "") == forms[visit]["form"]["child"].get("symptoms", "")
        assert case == forms[visit]["form"]["case"]
    siblings = [
        (number, position, each["sib_name"])
        for number, form in forms.items()
        for position, each in enumerate(_listed(form["form"].get("siblings")), 1)
    ]
    assert siblings
    assert sorted(siblings) == world.ask(
        "SELECT visit_id, position_1, sib_name FROM visit_visit__siblings_sibling ORDER BY 1, 2"
    )
    assert world.ask(
        "SELECT refers_to FROM _scout_catalog"
        " WHERE table_name = 'visit_visit' AND column_name = 'visit_id'"
    ) == [("stg_connect__visits.visit_id",)]


def _listed(siblings) -> list[dict]:
    """Return the entries of the repeat group: none, one object, or a list."""
    found = siblings.get("sibling", []) if isinstance(siblings, dict) else []
    return found if isinstance(found, list) else [found]


def test_every_stream_is_a_source_and_has_a_staging_model(streams):
    content = yaml.safe_load((STAGING / "_connect__sources.yml").read_text())
    sources = {table["name"] for table in content["sources"][0]["tables"]}
    models = {path.stem.removeprefix("stg_connect__") for path in STAGING.glob("*.sql")}

    assert sources == models == {stream["stream"] for stream in streams}


def test_every_column_of_a_stream_is_described(streams):
    described = yaml_docs.read(ROOT / "transform/models", "connect").columns

    for stream in streams:
        missing = stream["schema"]["properties"].keys() - described[stream["stream"]].keys()
        assert not missing, stream["stream"]
