"""How the models of a dataset are described and documented, as far as no database is needed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pytest
from scout_control.api import models
from scout_control.api.models import Models
from scout_control.datasets.provision import ProvisionedSchema
from scout_control.errors import ConflictError, NotFoundError, ServerError
from scout_control.installation.encryption import generate
from scout_control.installation.installation import Installation
from scout_control.installation.settings import Settings
from scout_control.store.models import Connection, Dataset, Project, ProjectSource, Source

ROOT = Path(__file__).parents[3]
PLACE = ProvisionedSchema(schema="data_x", owner="o", reader="r", writer="w", password="canary")


@pytest.fixture
def installation(tmp_path):
    settings = Settings(
        project_root=ROOT,
        home=tmp_path,
        database_url="postgresql://scout:control@db.test/store",
        encryption_keys=generate(),
    )
    with Installation(settings) as opened:
        yield opened


def a_dataset(source_type="commcare") -> Dataset:
    own = Connection(name="default", host=None, login=None, port=5432)
    project = Project(id="river", name="River", connection=own)
    source = Source(name="hq", source_type=f"tap-{source_type}", config={})
    link = ProjectSource(project=project, project_id="river", source=source)
    return Dataset(project_source=link, schema_name="data_x")


@pytest.mark.parametrize(
    ("source_type", "of_models"), [("commcare", "commcare"), ("commcare-connect", "connect")]
)
def test_models_know_a_source_by_its_kind(installation, source_type, of_models):
    assert Models(installation)._source_type(a_dataset(source_type)) == of_models


def test_dbt_gets_the_writer_and_nothing_of_control(installation, tmp_path, monkeypatch):
    monkeypatch.setenv("SCOUT_ENCRYPTION_KEYS", "canary of control")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary of the machine")
    given = Models(installation)._environment(a_dataset(), PLACE, tmp_path)

    assert given["TARGET_SCOUT_POSTGRES_DATABASE_URL"].startswith("postgresql://w:canary@db.test")
    assert given["TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA"] == "data_x"
    assert (given["SCOUT_PROJECT"], given["DBT_TARGET_PATH"]) == ("river", str(tmp_path))
    assert Path(given["DBT_PROJECT_DIR"]).is_dir()
    assert not [each for each in given.values() if "canary of" in each or "control@" in each]


TABLES = [{"table": "case_visit", "columns": []}, {"table": "forms", "columns": []}]


def test_a_table_is_found_by_its_exact_name():
    assert models._table("river/hq", TABLES, "forms") is TABLES[1]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("case_visits", "Did you mean case_visit? Look which it has: scout describe river/hq"),
        ("xyz", "Look which it has: scout describe river/hq"),
        ("", "Look which it has: scout describe river/hq"),
    ],
)
def test_a_table_that_does_not_exist_is_named_with_what_may_be_meant(name, remedy):
    with pytest.raises(NotFoundError, match=f"river/hq has no table {name}") as refused:
        models._table("river/hq", TABLES, name)

    assert refused.value.remedy == remedy


def test_a_path_of_people_is_one_word_in_the_remedy():
    with pytest.raises(NotFoundError) as refused:
        models._table("big river/hq", TABLES, "x")

    assert "scout describe 'big river/hq'" in refused.value.remedy


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (psycopg2.OperationalError("canary"), ServerError, "Postgres failed (OperationalError"),
        (KeyError("canary"), ConflictError, "was changed by another program (KeyError)"),
        (ValueError("canary"), ConflictError, "was changed by another program (ValueError)"),
        (RecursionError("canary"), ConflictError, "was changed by another program"),
    ],
)
def test_errors_of_the_generator_are_told_without_their_text(error, kind, text):
    with pytest.raises(kind) as refused, models._errors_of("data_x"):
        raise error

    assert text in refused.value.cause
    assert "canary" not in str(refused.value)


def test_an_interrupt_passes_through():
    with pytest.raises(KeyboardInterrupt), models._errors_of("data_x"):
        raise KeyboardInterrupt


def test_the_program_stands_beside_the_interpreter(monkeypatch):
    monkeypatch.setattr(models, "sys", SimpleNamespace(executable="/opt/scout/bin/python"))

    assert models._program() == ["/opt/scout/bin/scout-dbt"]
