"""Load every dataset of a project once a day, with Dagster.

Start it with ``dagster dev -f dagster_definitions.py``, or copy it into a code location. It needs
the command ``scout``, best in its own virtual environment, and these variables, the secret
ones from the deployment's secret store:

* SCOUT_DATABASE_URL and SCOUT_ENCRYPTION_KEYS: the installation
* SCOUT_PROJECT: the project whose datasets are loaded
* SCOUT_PROGRAM: the path of the command, such as /opt/scout/venv/bin/scout
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import dagster as dg

# Exit codes that another try would not change: configuration, unknown, data, credential.
NEEDS_A_PERSON = frozenset({2, 3, 65, 77})
PAUSED = 75
RETRIES = 12


def scout(*words: str, actor: str = "dagster") -> tuple[int, Any]:
    """Run a command; return its exit code and its result. What it logs is in the step's log."""
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
    return str(error.get("message") or result.get("error_message") or "see the log of the step")


def list_datasets() -> list[str]:
    """Return the names of the project's datasets."""
    code, found = scout("datasets", "list", "--project", os.environ["SCOUT_PROJECT"])
    if code:
        raise dg.Failure(reason(found))
    return [each["path"] for each in found]


def run_dataset(dataset: str, actor: str) -> dict[str, Any]:
    """Load a dataset; a retry resumes the same run where it stopped."""
    code, result = scout("run", dataset, actor=actor)
    if code in NEEDS_A_PERSON:
        raise dg.Failure(reason(result), allow_retries=False)
    if code == PAUSED:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=600)
    if code:
        raise dg.RetryRequested(max_retries=3, seconds_to_wait=60)
    return {"run_id": result["run_id"], "rows": result["rows_loaded"]}


@dg.op(out=dg.DynamicOut(str))
def datasets() -> Iterator[dg.DynamicOutput[str]]:
    """One step per dataset, so that each has its own log, retries and result."""
    for path in list_datasets():
        yield dg.DynamicOutput(path, mapping_key=re.sub(r"\W", "_", path))


@dg.op
def load(context: dg.OpExecutionContext, dataset: str) -> None:
    """Load one dataset."""
    loaded = run_dataset(dataset, actor=f"dagster {context.run_id}")
    context.add_output_metadata({"run_id": loaded["run_id"], "rows": str(loaded["rows"])})


@dg.job
def scout_refresh() -> None:
    """Load all datasets."""
    datasets().map(load)


definitions = dg.Definitions(
    jobs=[scout_refresh],
    schedules=[dg.ScheduleDefinition(job=scout_refresh, cron_schedule="0 3 * * *")],
)
