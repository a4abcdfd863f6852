"""The models of CommCare Connect fit the tables that the target makes of the tap's rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from commcare_sandbox import Sandbox

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
def environment(postgres, dataset_schema, tmp_path) -> dict[str, str]:
    return {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path),
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": postgres,
        "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": dataset_schema,
        "DBT_PROJECT_DIR": str(ROOT / "transform"),
        "DBT_PROFILES_DIR": str(ROOT / "transform"),
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
        "DBT_USE_COLORS": "false",
    }


def test_models_build_on_loaded_tables_and_pass_their_tests(
    environment, connection, dataset_schema, tmp_path
):
    with Sandbox(cases=0, forms=0, connect_opportunities=4, connect_visits=80) as sandbox:
        config = {
            "base_url": sandbox.connect.url,
            "access_token": sandbox.connect.logins()["access_token"],
        }
        (tmp_path / "tap.json").write_text(json.dumps(config))
        printed = subprocess.run(
            [PROGRAMS / "tap-commcare-connect", "--config", tmp_path / "tap.json"],
            capture_output=True,
            check=True,
        ).stdout
        payments = list(sandbox.connect.content("payment"))
    subprocess.run(
        [PROGRAMS / "target-scout-postgres", "--config", "ENV"],
        env=environment,
        input=printed,
        check=True,
        capture_output=True,
    )

    done = subprocess.run(
        [PROGRAMS / "scout-dbt", "build", "--vars", "source_type: connect"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "WARN=0 ERROR=0 SKIP=0" in done.stdout
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT viewname FROM pg_views WHERE schemaname = %s ORDER BY viewname",
            [dataset_schema],
        )
        assert [name for (name,) in cursor.fetchall()] == sorted(
            path.stem for path in STAGING.glob("*.sql")
        )
        cursor.execute(f'SELECT sum(amount) FROM "{dataset_schema}".stg_connect__payments')
        (total,) = cursor.fetchone()
    assert (
        f"{total}" == f"{sum(round(float(p['row']['amount']) * 100) for p in payments) / 100:.2f}"
    )


def test_every_stream_is_a_source_and_has_a_staging_model(streams):
    told = yaml.safe_load((STAGING / "_connect__sources.yml").read_text())
    sources = {table["name"] for table in told["sources"][0]["tables"]}
    models = {path.stem.removeprefix("stg_connect__") for path in STAGING.glob("*.sql")}

    assert sources == models == {stream["stream"] for stream in streams}
