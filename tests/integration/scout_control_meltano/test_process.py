"""A real `meltano run` with tiny plugins: its environment and its end."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
from scout_control.installation import embedded_postgres
from scout_control.meltano.process import MeltanoProcess, Pipeline

TAP = """
    import json, os, signal, sys, time
    if "--discover" in sys.argv:
        print(json.dumps({"streams": []}))
        sys.exit()
    told = {"environment": dict(os.environ), "arguments": sys.argv}
    with open(os.environ["TOLD"], "w") as file:
        json.dump(told, file)
    if os.environ.get("STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(3600)
    sys.exit(int(os.environ.get("CODE", "0")))
"""
TARGET = "import sys; sys.stdin.read()"


@pytest.fixture
def project(tmp_path) -> Path:
    for name, code in (("tap-toy", TAP), ("target-toy", TARGET)):
        program = tmp_path / name
        program.write_text(f"#!{sys.executable}\n{textwrap.dedent(code)}")
        program.chmod(0o755)
    plugin = "{{name: {0}, namespace: {1}, executable: {2}/{0}, capabilities: [discover, catalog]}}"
    lines = [
        "project_id: toy",
        "send_anonymous_usage_stats: false",
        "cli: {disable_version_check: true}",
        "environments: [{name: prod}]",
        "plugins:",
        f"  extractors: [{plugin.format('tap-toy', 'tap_toy', tmp_path)}]",
        f"  loaders: [{plugin.format('target-toy', 'target_toy', tmp_path)}]",
    ]
    (tmp_path / "meltano.yml").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def pipeline(control_postgres, project):
    database_uri = embedded_postgres.create_database(control_postgres, "meltano")

    def make(**settings) -> Pipeline:
        return Pipeline(
            project_root=project,
            blocks=["tap-toy", "target-toy"],
            dataset_schema="data_toy",
            database_uri=database_uri,
            settings={"TOLD": str(project / "told.json"), **settings},
            secrets={"TAP_TOY_KEY": "canary"},
        )

    return make


def test_a_run_gets_only_its_own_secrets_and_leaves_no_folder(pipeline, project, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    with MeltanoProcess(pipeline(CODE="77")).started() as run:
        ended = run.follow(lambda _: None)

    told = json.loads((project / "told.json").read_text())
    assert ended.log.exit_codes == {"extractors": 77}
    assert told["environment"]["TAP_TOY_KEY"] == "canary"
    assert told["environment"]["SCOUT_RUN_ID"] == ended.run_id
    assert "AWS_SECRET_ACCESS_KEY" not in told["environment"]
    assert "canary" not in " ".join(told["arguments"])
    assert not Path(told["environment"]["MELTANO_SYS_DIR_ROOT"]).parent.exists()


def test_a_plugin_that_ignores_sigterm_is_killed_after_the_grace(pipeline, project):
    run = MeltanoProcess(pipeline(STUBBORN="1"), grace_seconds=1.0)
    with run.started():
        ending = threading.Thread(
            target=end_when_told, args=(run, project / "told.json"), daemon=True
        )
        ending.start()
        ended = run.follow(lambda _: None)
        ending.join()

    group = run.pid
    assert ended.is_interrupted
    assert alive_in(group, after_seconds=60.0) == []


def alive_in(group: int, after_seconds: float) -> list[psutil.Process]:
    """Wait for a process group to end; return the processes that are alive after a time.

    SIGKILL takes a moment: the system ends a process after the signal was sent.
    """
    until = time.monotonic() + after_seconds
    while True:
        found = [each for each in psutil.process_iter() if is_alive_in(group, each)]
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)


def end_when_told(run: MeltanoProcess, file: Path) -> None:
    while not file.exists() or not file.stat().st_size:
        time.sleep(0.02)
    run.stop()


def is_alive_in(group: int, process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
