"""The command line, and the sandbox's status."""

import json
import re
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import requests
from commcare_sandbox import Sandbox, SandboxError
from commcare_sandbox.faults import FAULTS
from commcare_sandbox.hq.control import ACTIONS
from commcare_sandbox.hq.switches import HQSwitches
from commcare_sandbox.switches import Switches
from support.workers import is_alive, wait_until

COMMAND = [sys.executable, "-m", "commcare_sandbox"]
README = Path(__file__).parents[4] / "commcare-sandbox" / "README.md"


def run(*arguments):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_says_one_line_when_it_serves_and_ends_on_a_signal(number, code):
    command = [*COMMAND, "serve", "--port", "0", "--cases", "5", "--forms", "5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    facts = json.loads(process.stdout.readline())

    process.send_signal(number)
    rest, errors = process.communicate(timeout=120)

    assert {"url", "domain", "username", "api_key", "client_id", "client_secret"} <= facts.keys()
    assert facts["domain"] == "river-health"
    assert (rest, errors) == ("", "")
    assert process.returncode == code


@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, subprocess.PIPE], ids=["null", "pipe"])
def test_it_ends_when_stdin_closes_if_it_is_told_to(stdin):
    command = [*COMMAND, "serve", "--port", "0", "--cases", "5", "--forms", "5", "--until-eof"]
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    facts, errors = process.communicate(timeout=120)

    assert json.loads(facts)["domain"] == "river-health"
    assert (process.returncode, errors) == (0, b"")


def test_a_running_sandbox_is_told_by_command(own):
    url = f"--url={own.sandbox.url}"

    submitted = json.loads(run("submit-form", "--count=2", url).stdout)
    edited = json.loads(run("edit-case", "--properties", '{"a": "b"}', url).stdout)
    archived = json.loads(run("archive-form", "--form-id", submitted["form_ids"][0], url).stdout)
    switched = json.loads(run("set", "fault=429", "fault-next=1", url).stdout)
    run("reindex", url)

    assert len(submitted["form_ids"]) == 2
    assert own.ask("case/v2/").status_code == 429
    assert own.get(f"case/v2/{edited['case_ids'][0]}")["properties"]["a"] == "b"
    assert own.get(f"form/v1/{archived['form_ids'][0]}/")["archived"] is True
    assert (switched["fault"], switched["fault_next"]) == ("429", 1)


def test_mistakes_are_told_in_one_line():
    wrong = run("serve", "--fault=418")
    away = run("edit-case", "--url=http://127.0.0.1:9")
    text = run("edit-case", "--url=http://127.0.0.1:9", "--properties={")

    assert wrong.returncode == 2
    assert "Unknown fault '418'" in wrong.stderr
    assert (away.returncode, away.stderr.count("\n")) == (1, 1)
    assert "No sandbox responds at http://127.0.0.1:9" in away.stderr
    assert text.returncode == 2
    assert "Traceback" not in wrong.stderr + away.stderr + text.stderr


def test_it_serves_on_loopback_only_and_control_refuses_other_hosts(hq):
    refused = run("serve", "--host=0.0.0.0", "--port=0")
    foreign = requests.get(
        f"{hq.sandbox.url}/_sandbox/status", headers={"Host": "evil.example"}, timeout=120
    )

    assert refused.returncode == 2
    assert "loopback" in refused.stderr
    assert foreign.status_code == 403


def test_it_does_not_outlive_the_process_that_started_it():
    script = (
        "import os, signal, sys\n"
        "from commcare_sandbox import Sandbox\n"
        "with Sandbox(cases=1, forms=1) as sandbox:\n"
        "    print(sandbox.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    started = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    pid = int(started.stdout)

    wait_until(lambda: not is_alive(pid))


def test_requests_are_counted_and_secrets_are_not_kept(hq):
    hq.sandbox.forget_requests()
    hq.ask(f"form/v1/?username={hq.sandbox.username}&api_key={hq.sandbox.api_key}&limit=1")
    hq.ask("case/v2/?foo=1")

    told = hq.sandbox.requests()

    assert told["total"] == 2
    assert told["by_path"] == {
        "/a/river-health/api/form/v1/": 1,
        "/a/river-health/api/case/v2/": 1,
    }
    assert told["by_status"] == {"200": 1, "400": 1}
    assert hq.sandbox.api_key not in json.dumps(told)


def test_a_sandbox_that_cannot_start_says_so(capfd):
    with pytest.raises(SandboxError), Sandbox(nonsense=1):
        pass

    assert "No such option" in capfd.readouterr().err


def test_a_million_records_need_no_memory():
    with Sandbox(cases=1_000_000, forms=1_000_000) as sandbox:
        login = {"Authorization": f"ApiKey {sandbox.username}:{sandbox.api_key}"}
        session = requests.Session()
        began = memory_mb(sandbox.pid)
        for year in (2023, 2024, 2025):
            for path in (
                f"case/v2/?limit=1000&indexed_on.gt={year}-06-01",
                f"form/v1/?limit=1000&order_by=indexed_on&indexed_on_start={year}-06-01",
            ):
                url = f"{sandbox.url}/a/river-health/api/{path}"
                assert session.get(url, headers=login, timeout=120).status_code == 200
        session.close()

        assert memory_mb(sandbox.pid) < began + 30


def memory_mb(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def test_the_readme_names_every_switch_fault_and_mutation():
    text = README.read_text()

    missing = [each.name for each in fields(HQSwitches) if f"`{each.name}`" not in text]
    common = [each.name for each in fields(Switches) if each.name.startswith(("fault", "stall"))]
    missing += [name for name in (*common, *FAULTS) if f"`{name}`" not in text]
    missing += [action for _, action in ACTIONS if f"`{action}`" not in text]

    assert missing == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "127.0.0.1@evil.example"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "file://"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
        {"Referer": "https://evil.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "Text/Plain; charset=utf-8"},
    ],
    ids=str,
)
def test_the_control_endpoint_refuses_what_a_web_page_could_send(hq, headers):
    body = b'{"fault": "stall"}'
    url = f"{hq.sandbox.url}/_sandbox/"
    refused = requests.post(f"{url}set", data=body, headers=headers, timeout=120)
    read = requests.get(f"{url}content/cases", headers=headers, timeout=120)

    assert {refused.status_code, read.status_code} <= {400, 403}
    assert hq.sandbox.status()["switches"]["fault"] == ""


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", None])
def test_the_control_endpoint_takes_what_programs_send(hq, kind):
    headers = {} if kind is None else {"Content-Type": kind}
    url = f"{hq.sandbox.url}/_sandbox/set"
    answer = requests.post(url, data=b"{}", headers=headers, timeout=120)
    own_page = {"Origin": hq.sandbox.url, "Content-Type": "application/json"}

    assert answer.status_code == 200
    assert requests.post(url, data=b"{}", headers=own_page, timeout=120).status_code == 200


def test_deep_json_is_a_wrong_request(hq):
    body = b"[" * 100_000
    answer = requests.post(f"{hq.sandbox.url}/_sandbox/set", data=body, timeout=120)

    assert answer.status_code == 400
