"""Why a tap failed reaches the person, whatever the tap is and however it logs."""

from __future__ import annotations

import json
import sys
import tracemalloc

import pytest
from scout_control.api import dataset_checks
from scout_control.errors import ControlError
from support.installations import a_database, installed

TAP = """#!{python}
import json, os, signal, sys
from pathlib import Path
act = json.loads(Path(os.environ["TAP_TOY_ACT"]).read_text())
schema = {{"properties": {{"id": {{"type": "integer"}}}}}}
if "--discover" in sys.argv and not act.get("in_discovery"):
    stream = {{"tap_stream_id": "things", "stream": "things", "schema": schema,
              "key_properties": ["id"], "metadata": [{{"breadcrumb": [], "metadata":
              {{"selected": True}}}}]}}
    print(json.dumps({{"streams": [stream]}}))
    sys.exit()
exec(act["code"])
"""
KEY = "canary-of-the-tap"
SAYS = "print({!r}, file=sys.stderr, flush=True); sys.exit({})"
# What the tap does; the code of the failure; what is said; what is advised.
KINDS = {
    "a traceback that quotes a record": (
        "def read(name): return int(name)\nread('Amina Okafor')",
        "INTERNAL_ERROR",
        "tap-toy: ValueError: invalid literal for int() with base 10: '...'.",
        "Run again",
    ),
    "JSON": (
        SAYS.format(json.dumps({"level": "ERROR", "message": "HTTP 403: forbidden"}), 1),
        "PERMISSION_DENIED",
        "tap-toy: HTTP 403: forbidden.",
        "grant the account access",
    ),
    "a wrong key, quoted": (
        "print(f'ERROR 401 Unauthorized for key {os.environ[\"TAP_TOY_KEY\"]}', file=sys.stderr)\n"
        "sys.exit(1)",
        "AUTH_TOKEN_EXPIRED",
        "tap-toy: 401 Unauthorized for key [removed].",
        "scout credentials connect",
    ),
    "no network": (
        SAYS.format("requests.exceptions.ConnectionError: [Errno 111] Connection refused", 1),
        "NETWORK_ERROR",
        "Connection refused",
        "Run again",
    ),
    "a wrong configuration": (
        SAYS.format("CRITICAL Missing required key 'start_date' in config", 1),
        "VALIDATION_ERROR",
        "tap-toy: Missing required key 'start_date' in config.",
        "Correct the setting",
    ),
    "nothing": ("sys.exit(3)", "INTERNAL_ERROR", "ended with exit code 3", "Run again"),
    "SIGKILL": (
        "print('reading page 7', file=sys.stderr, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)",
        "INTERNAL_ERROR",
        "was killed by signal 9. Its last message was: tap-toy: reading page 7.",
        "Run again",
    ),
}
IN_A_RUN = ("a traceback that quotes a record", "a wrong key, quoted", "JSON")
IN_A_CHECK = sorted({*KINDS} - {*IN_A_RUN} | {"a wrong key, quoted"})


@pytest.fixture(scope="module")
def foreign(control_postgres, tmp_path_factory):
    """An installation whose tap executes what a test says; and a dataset of it."""
    with installed(a_database(control_postgres), tmp_path_factory.mktemp("foreign")) as made:
        program = made.settings.project_root / "tap-toy"
        program.write_text(TAP.format(python=sys.executable))
        program.chmod(0o755)
        yield made, made.dataset()


@pytest.fixture
def act(foreign):
    """Let the tap do something; return its installation, dataset and source."""
    installation, dataset = foreign
    _, source = dataset.split("/")
    installation.scout.credentials.save(source, "settings", {"key": KEY}, project="river")

    def does(code, **facts):
        (installation.folder / "act.json").write_text(json.dumps({"code": code, **facts}))
        return installation.scout, dataset, source

    return does


@pytest.mark.parametrize("kind", IN_A_CHECK)
def test_a_check_says_why_the_tap_failed(act, kind):
    code, _, says, _ = KINDS[kind]
    scout, _, source = act(code, in_discovery=True)

    with pytest.raises(ControlError) as failed:
        scout.credentials.check(source, project="river")
    assert says.removesuffix(".") in failed.value.cause
    assert "Amina" not in str(failed.value)
    assert KEY not in str(failed.value)
    assert "Committed" not in str(failed.value)


@pytest.mark.parametrize("kind", IN_A_RUN)
def test_a_run_says_why_the_tap_failed(act, kind):
    code, error_code, says, advice = KINDS[kind]
    scout, dataset, source = act(code, in_discovery=kind == "JSON")
    run = scout.run(dataset)

    assert (run.status, run.error_code) == ("failed", error_code)
    assert says in run.error_message
    assert advice in run.error_message
    assert "Amina" not in run.error_message
    assert run.result["error"]["reason"]
    shown = scout.datasets.show(dataset)
    assert shown.sync_error == run.error_message
    [finding] = dataset_checks.failing(scout.installation)
    assert says in finding.finding
    assert finding.remedy.endswith(f"scout runs show {run.run_id}")
    if error_code == "AUTH_TOKEN_EXPIRED":
        assert f"scout credentials connect {source} --project river" in run.error_message
        assert "Run again" not in run.error_message
        assert shown.next_sync_at is None


def test_a_tap_that_is_not_installed_is_named(act):
    scout, dataset, source = act("")
    program = scout.installation.settings.project_root / "tap-toy"
    away = program.rename(program.with_name("away"))
    try:
        run = scout.run(dataset)
        with pytest.raises(ControlError) as failed:
            scout.credentials.check(source, project="river")
    finally:
        away.rename(program)

    assert (run.error_code, run.result["error"]["exit_code"]) == ("VALIDATION_ERROR", 2)
    # What is stored is also for people who have no shell here: without the folder.
    for named, said in (("tap-toy", run.error_message), (program, str(failed.value))):
        assert f"'{named}' could not be started: No such file" in said
        assert "Install tap-toy" in said


def test_the_output_of_a_tap_does_not_grow_in_memory(act):
    scout, _, source = act(
        "for _ in range(3_000): print('x' * 10_000, file=sys.stderr)\n"
        "for _ in range(40): sys.stdout.write('y' * 1_000_000)\n"
        "print('ERROR it broke', file=sys.stderr, flush=True); sys.exit(1)",
        in_discovery=True,
    )
    tracemalloc.start()
    try:
        with pytest.raises(ControlError, match="it broke"):
            scout.credentials.check(source, project="river")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
