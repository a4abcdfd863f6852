"""Load every dataset of a project once a day, with Prefect 3.

Start it with ``python prefect_flow.py``, which serves the flow with its schedule. It needs the
command ``scout``, best in its own virtual environment, and these variables, the secret ones
from the deployment's secret store:

* SCOUT_DATABASE_URL and SCOUT_ENCRYPTION_KEYS: the installation
* SCOUT_PROJECT: the project whose datasets are loaded
* SCOUT_PROGRAM: the path of the command, such as /opt/scout/venv/bin/scout
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from prefect import flow, runtime, task

# Exit codes that another try would not change: configuration, unknown, data, credential.
NEEDS_A_PERSON = frozenset({2, 3, 65, 77})
PAUSED = 75


class ScoutError(Exception):
    """A run that did not complete, with the exit code of scout."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def scout(*words: str, actor: str = "prefect") -> tuple[int, Any]:
    """Run a command; return its exit code and its result. It logs to the standard error."""
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
    return str(error.get("message") or result.get("error_message") or "see the log")


def list_datasets() -> list[str]:
    """Return the names of the project's datasets."""
    code, found = scout("datasets", "list", "--project", os.environ["SCOUT_PROJECT"])
    if code:
        raise ScoutError(reason(found), code)
    return [each["path"] for each in found]


def run_dataset(dataset: str, actor: str) -> dict[str, Any]:
    """Load a dataset; a retry resumes the same run where it stopped."""
    code, result = scout("run", dataset, actor=actor)
    if code == PAUSED:
        raise ScoutError(f"Rate-limited until {result.get('resume_at')}.", code)
    if code:
        raise ScoutError(reason(result), code)
    return {"run_id": result["run_id"], "rows": result["rows_loaded"]}


def is_worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """Return whether another try can succeed without a person."""
    error = state.result(raise_on_failure=False)
    return not (isinstance(error, ScoutError) and error.code in NEEDS_A_PERSON)


@task(retries=12, retry_delay_seconds=600, retry_condition_fn=is_worth_retrying)
def load(dataset: str) -> dict[str, Any]:
    """Load one dataset."""
    return run_dataset(dataset, actor=f"prefect {runtime.flow_run.id}")


@flow(log_prints=True)
def scout_refresh() -> None:
    """One task per dataset, so that each has its own log, retries and result."""
    loads = [load.submit(dataset) for dataset in list_datasets()]
    for each in loads:
        print(each.result())


if __name__ == "__main__":
    scout_refresh.serve(name="daily", cron="0 3 * * *")
