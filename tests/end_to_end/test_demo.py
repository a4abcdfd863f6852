"""The demo as a newcomer runs it: a bare environment, a deep folder, twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.documents import ENVIRONMENT, run_by
from support.pasted import paste, path_with
from support.web import LINK, SERVING, Page

ROOT = Path(__file__).parents[2]
SCOUT = Path(sys.executable).with_name("scout")
PSQL = 'scout psql -c "show search_path"'  # which ends


@pytest.fixture
def environment(folder) -> dict[str, str]:
    deep = folder / "a folder with a rather long name" / "and another one in it, too" / ".scout"
    return {
        "PATH": os.defpath,
        "HOME": str(folder / "no-such-home"),
        "SCOUT_HOME": str(deep),
        "LANG": "C.UTF-8",
    }


def demo(environment, *options) -> subprocess.CompletedProcess[str]:
    command = [SCOUT, "demo", "--cases", "300", "--forms", "100", *options]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False
    )


def demo_with_page(environment, *options) -> tuple[int, str, str]:
    """Run the demo, open its page with the link that it prints, and press Ctrl+C.

    Returns:
        The exit code, what it printed to stdout, and the page.
    """
    command = [SCOUT, "demo", "--cases", "300", "--forms", "100", "--page", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        said = [next((line for line in process.stderr if LINK.search(line)), "")]
        said += [next((line for line in process.stderr if SERVING.search(line)), "")]
        browser = Page(SERVING.search(said[1])[1])
        browser.until_it_answers()
        assert browser.open_link(LINK.search(said[0])[1]).status_code == 303
        page = browser.get("/").text
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=200)
    return process.returncode, stdout, page


def scout(environment, *words) -> dict:
    command = [SCOUT, *words, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return json.loads(done.stdout)


def left_over(environment, after_seconds: float = 30.0) -> list[str]:
    """Wait until no process uses the demo's folder; return those that still do after a time.

    A process that was told to exit takes a moment.
    """
    until = time.monotonic() + after_seconds
    while (found := alive(environment)) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def alive(environment) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = process.info["cmdline"] or []
        own = process.info["environ"] or {}
        if environment["SCOUT_HOME"] in " ".join(words) or own.get("HOME") == environment["HOME"]:
            found.append(" ".join(words))
    return found


def test_the_demo_loses_nothing_to_a_killed_loader_and_after_an_edit_reads_a_handful(environment):
    first = demo(environment, "--fault", "kill")

    assert first.returncode == 0, first.stderr
    assert "was killed with SIGKILL" in first.stdout
    assert "Postgres has what the sandbox has: 300 cases, 100 forms." in first.stdout
    assert "Open pregnancies by village" in first.stdout
    assert left_over(environment) == []

    code, stdout, seen = demo_with_page(environment, "--edit", "--json")

    assert code == 0, seen
    assert "demo/commcare-300-100" in seen
    assert "Sync now" in seen
    facts = json.loads(stdout)
    read = {each["stream"]: each["rows"] for each in facts["streams"]}
    assert facts["is_incremental"]
    assert facts["differences"] == {}
    assert facts["rows"] == {"cases": 300, "forms": 101}
    assert read["cases"] <= 10
    assert read["forms"] <= 10
    assert left_over(environment) == []

    counted = scout(environment, "query", "demo/commcare-300-100", "select count(*) from cases")
    findings = {each["check"]: each for each in scout(environment, "doctor")["findings"]}
    assert counted["rows"] == [[300]]
    assert findings["source commcare-300-100"]["is_well"]  # though its sandbox is stopped
    paste_what_the_quickstart_says(environment)
    assert demo(environment, "--stop").returncode == 0


def paste_what_the_quickstart_says(environment):
    folder = Path(environment["SCOUT_HOME"]).parent
    said = paste(
        run_by(ENVIRONMENT, "docs/quickstart.md"),
        folder,
        environment | {"PATH": path_with(folder), "SCOUT_PROJECT_ROOT": str(ROOT)},
        # The name has the sizes that are not the usual ones.
        {".venv/bin/": "", "demo/commcare": "demo/commcare-300-100", "scout psql": PSQL},
    )
    assert "1 dataset: 1 fine" in said
    assert "data_demo_commcare" in said


def test_the_demo_shows_connect_and_then_only_new_visits(environment):
    first = demo(environment, "--source", "connect", "--visits", "200")

    assert first.returncode == 0, first.stderr
    assert "Postgres has what the sandbox has: 6 opportunities, 200 visits." in first.stdout
    assert "Visits by opportunity" in first.stdout

    second = demo(environment, "--source", "connect", "--visits", "200", "--edit", "--json")

    facts = json.loads(second.stdout)
    read = {each["stream"]: each["rows"] for each in facts["streams"]}
    assert facts["differences"] == {}
    assert facts["rows"] == {"opportunities": 6, "visits": 203}
    assert 3 <= read["visits"] <= 23


def test_a_terminated_demo_stops_what_it_started(environment):
    with subprocess.Popen(
        [SCOUT, "demo", "--cases", "300", "--forms", "100"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert "are up" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=200)

    assert process.returncode == 143
    assert left_over(environment) == []
