"""Load every dataset of a project once a day, with Airflow 3.

Copy this file into the folder of DAGs. The worker needs the command ``scout``, best in its own
virtual environment, and these variables, the secret ones from the deployment's secret store:

* SCOUT_DATABASE_URL and SCOUT_ENCRYPTION_KEYS: the installation
* SCOUT_PROJECT: the project whose datasets are loaded
* SCOUT_PROGRAM: the path of the command, such as /opt/scout/venv/bin/scout
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

# Exit codes that another try would not change: configuration, unknown, data, credential.
NEEDS_A_PERSON = frozenset({2, 3, 65, 77})


def scout(*words: str, actor: str = "airflow") -> tuple[int, Any]:
    """Run a command; return its exit code and its result. What it logs is in the task's log."""
    done = subprocess.run(
        [os.environ.get("SCOUT_PROGRAM", "scout"), *words, "--json"],
        env=os.environ | {"SCOUT_ACTOR": actor},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "{}")


def reason(result: Any) -> str:
    """Return why a run did not complete."""
    error = result.get("error") or {}
    return str(error.get("message") or result.get("error_message") or "see the log of the task")


def list_datasets() -> list[str]:
    """Return the names of the project's datasets."""
    code, found = scout("datasets", "list", "--project", os.environ["SCOUT_PROJECT"])
    if code:
        raise AirflowException(reason(found))
    return [each["path"] for each in found]


def run_dataset(dataset: str, actor: str) -> dict[str, Any]:
    """Load a dataset; a retry resumes the same run where it stopped."""
    code, result = scout("run", dataset, actor=actor)
    if code in NEEDS_A_PERSON:
        raise AirflowFailException(reason(result))  # never retried
    if code == 75:
        raise AirflowException(f"Rate-limited until {result.get('resume_at')}.")  # retried
    if code:
        raise AirflowException(reason(result))
    return {"run_id": result["run_id"], "rows": result["rows_loaded"]}


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["scout"],
)
def scout_refresh() -> None:
    """One mapped task per dataset, so that each has its own log, retries and result."""

    @task
    def datasets() -> list[str]:
        return list_datasets()

    @task(retries=12, retry_delay=timedelta(minutes=10), max_active_tis_per_dag=4)
    def load(dataset: str) -> dict[str, Any]:
        run_id = get_current_context()["run_id"]
        return run_dataset(dataset, actor=f"airflow {run_id}")

    load.expand(dataset=datasets())


scout_refresh()
