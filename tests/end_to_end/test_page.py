"""The page in a real browser: from nothing to a synced dataset, without a shell.

Every page is looked at in each of its states. With ``SCOUT_TEST_PICTURES`` set to a folder,
pictures of the pages are kept there; ``make pictures`` renews the one of the README.
"""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from pathlib import Path

import axe_core_python
import pytest
import yaml
from commcare_sandbox import Sandbox
from scout_control.access import checkups
from scout_control.api.scout import Scout
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from support.browser import PROGRAM, browser
from support.past_runs import add_past_runs
from support.web import served_here
from support.workers import worker

ROOT = Path(__file__).parents[2]
AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
CALLBACK = "/api/datasources/oauth/callback/"
CASES, MOST_TABS = 120, 30
WIDE = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
NARROW = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
TEXT = "document.body.innerText"
SHOWN = "document.readyState === 'complete' && !window.left"
DARK = [{"name": "prefers-color-scheme", "value": "dark"}]
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
pytestmark = pytest.mark.skipif(not PROGRAM, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(cases=CASES, forms=5) as started:
        # Slow enough for people to see a load; as HQ has it, any port of loopback.
        started.set(redirect_uris=f"http://127.0.0.1{CALLBACK}", latency_ms=900)
        yield started


@pytest.fixture(scope="module")
def settings(control_postgres, tmp_path_factory):
    """An installation with a project whose pipeline loads, without models: they are not shown."""
    folder = tmp_path_factory.mktemp("page")
    document = yaml.safe_load((ROOT / "meltano.yml").read_text())
    document["jobs"] = [{"name": "commcare", "tasks": ["tap-commcare target-scout-postgres"]}]
    document.pop("schedules", None)
    (folder / "meltano.yml").write_text(yaml.safe_dump(document))
    name = f"control_{uuid.uuid4().hex[:10]}"
    return Settings(
        project_root=folder,
        home=folder / "home",
        database_url=embedded_postgres.create_database(control_postgres, name),
        encryption_keys=generate(),
        query_text=True,
    )


@pytest.fixture(scope="module")
def scout(settings):
    """An installation in which there is nothing but a store."""
    with Scout(settings) as opened:
        opened.init()
        yield opened


@pytest.fixture(scope="module")
def opened():
    with browser() as found:
        found.call("Emulation.setDeviceMetricsOverride", **WIDE)
        yield found


def element(text, scope):
    return (
        f"[...document.querySelectorAll('{scope} :is(a, button, summary, input[type=submit])')]"
        f".find(each => (each.innerText || each.value).trim().startsWith({text!r}))"
    )


def click(opened, text, scope="main"):
    """Click what has this text, once it is there."""
    found = element(text, scope)
    opened.wait_for(f"{found} !== undefined && ({found}.click(), true)")


def go(opened, address):
    """Open a page, and wait until it is shown."""
    opened.evaluate("window.left = true")
    opened.show(address)
    opened.wait_for(SHOWN)


def send(opened, form, **fields):
    """Fill a form, whether it is folded or not, send it, and wait for the next page."""
    opened.wait_for(f"document.querySelector('form[action$=\"{form}\"]') !== null")
    for name, value in fields.items():
        field = f'document.querySelector(\'form[action$="{form}"] [name="{name}"]\')'
        opened.evaluate(f"{field}.value = {value!r}")
    opened.evaluate("window.left = true")
    opened.evaluate(f"document.querySelector('form[action$=\"{form}\"]').requestSubmit()")
    opened.wait_for(SHOWN)


def sees(opened, *texts):
    for text in texts:
        opened.wait_for(f"{TEXT}.includes({text!r})")


def picture(opened, file, **clip):
    found = opened.call("Page.captureScreenshot", captureBeyondViewport=True, **clip)["data"]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(found))


def serious(opened, rules=""):
    """Return what keeps people from using the page, as axe-core finds it."""
    opened.evaluate(
        f"window.found = null; axe.run({rules}).then(result => {{ window.found = "
        "result.violations.filter(each => ['serious', 'critical'].includes(each.impact)).map("
        "each => each.id + ': ' + each.nodes.map(node => node.html).join(' ')); })"
    )
    opened.wait_for("window.found !== null")
    return opened.evaluate("window.found")


def check(opened, name):
    """Look at a page: wide, in the dark, on a phone."""
    folder = os.environ.get("SCOUT_TEST_PICTURES")
    opened.evaluate(AXE.read_text(encoding="utf-8"))
    assert (name, serious(opened)) == (name, [])
    if folder:
        picture(opened, Path(folder) / f"{name}-wide.png")
    opened.call("Emulation.setEmulatedMedia", features=DARK)
    assert (name, serious(opened, "{runOnly: ['color-contrast']}")) == (name, [])
    if folder:
        picture(opened, Path(folder) / f"{name}-dark.png")
    opened.call("Emulation.setEmulatedMedia", features=[])
    opened.call("Emulation.setDeviceMetricsOverride", **NARROW)
    assert opened.evaluate(FITS), name
    if folder:
        picture(opened, Path(folder) / f"{name}-360.png")
    opened.call("Emulation.setDeviceMetricsOverride", **WIDE)
    assert "scout " not in opened.evaluate(TEXT), f"{name} shows a command"


def check_all(opened, address, **pages):
    for name, path in pages.items():
        go(opened, address + path)
        check(opened, name.replace("_", "-"))


def set_up(opened, address, sandbox):
    """Make a project and a source, and link them."""
    go(opened, f"{address}/operator/setup/")
    check(opened, "setup-empty")
    send(opened, "/operator/projects/", id="river", name="River health")
    settings = f"domain = {sandbox.domain}\npage_size = 10\nconcurrency = 1"
    client = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    source = {"type": "tap-commcare", "base_url": sandbox.url, "settings": settings}
    send(opened, "/operator/sources/", name="hq", **source, **client)
    sees(opened, "The source is added")
    check(opened, "setup")
    go(opened, f"{address}/projects/")
    click(opened, "Become an admin of river")
    go(opened, f"{address}/projects/river/")
    check(opened, "project-empty")
    send(opened, "/projects/river/sources/", source="hq", mode="project")
    sees(opened, "The source is linked")
    send(opened, "/sources/settings/", streams="nothing")
    sees(opened, "nothing")
    check(opened, "project-rejected")
    send(opened, "/sources/settings/", streams="cases", hours="24")
    sees(opened, "The settings are saved", "project-level")


def sign_in_at_hq(opened, address, text, *, is_known=False):
    """Connect an account: sign in at HQ, unless it knows this browser, consent, and come back."""
    click(opened, text)
    if not is_known:
        click(opened, "Log In", scope="body")  # the account of the sandbox is filled in
    click(opened, "Authorize", scope="body")
    opened.wait_for(f"location.origin == {address!r} && {TEXT}.includes('connected')")


def sync_with_a_refused_token(scout, opened, address, sandbox):
    """Sync with a token that HQ no longer accepts, and connect again."""
    [dataset] = scout.datasets.list()
    place = f"/datasets/{dataset.id}/"
    check_all(
        opened, address,
        dataset_waiting=place, tables_empty=f"{place}tables/", query_empty=f"{place}query/",
        lineage_empty=f"{place}lineage/",
    )  # fmt: skip
    sandbox.expire_access_tokens()
    sandbox.kill_refresh_token()
    go(opened, f"{address}/")
    return place


def test_from_nothing_to_a_synced_dataset(monkeypatch, scout, settings, sandbox, opened):
    monkeypatch.setattr(checkups, "MOST_SECONDS", 0)  # the checks themselves are tested elsewhere
    with served_here(scout) as page:
        address = page.address
        go(opened, address)
        check(opened, "sign-in")
        go(opened, address + scout.sessions.first_link().path)
        sees(opened, "Sign in as operator?")
        check(opened, "link")
        click(opened, "Sign in")
        sees(opened, "You are in no project yet")
        check(opened, "data-sources-empty")
        check_all(opened, address, projects_empty="/projects/", operator_empty="/operator/")
        set_up(opened, address, sandbox)
        check_all(opened, address, connect="/connect/?source=hq&project=river", nothing="/")
        sign_in_at_hq(opened, address, "Connect")
        assert [each.status for each in scout.credentials.list()] == ["connected"]
        click(opened, "Start syncing")
        sees(opened, "Waiting for a worker")
        place = sync_with_a_refused_token(scout, opened, address, sandbox)
        with worker(settings, stderr=subprocess.DEVNULL):
            sees(opened, "needs reconnect")
            opened.wait_for(f"{element('Reconnect', 'main')} !== undefined")
            look_at_a_failure(scout, opened, address, place)
            sign_in_at_hq(opened, address, "Reconnect", is_known=True)
            click(opened, "Sync now")
            opened.wait_for(f"/Loading cases \\d+ of {CASES}/.test({TEXT})")
            opened.wait_for(f"/\\d+\\/s, \\d+ s left/.test({TEXT})")
            check(opened, "loading")
            click(opened, "Cancel")
            sees(opened, "Sync now")
            sandbox.set(latency_ms=0)
            click(opened, "Sync now")
            opened.wait_for(f"/{CASES} rows in/.test({TEXT})")
        look_at_everything(scout, opened, address, place)
        entries = [each["entry"] for each in opened.of("Log.entryAdded")]
        ours = [each for each in entries if each.get("url", "").startswith(address)]
        errors = [(each["url"], each["text"]) for each in ours if each["level"] == "error"]
        # A form that could not be saved is shown again, and a page that does not exist.
        assert [url for url, text in errors if "422" not in text and "404" not in text] == []
        assert opened.of("Runtime.exceptionThrown") == []
        asked = {each["request"]["url"] for each in opened.of("Network.requestWillBeSent")}
        hosts = (address, sandbox.url, "data:", "about:")
        assert [url for url in asked if not url.startswith(hosts)] == []


def look_at_a_failure(scout, opened, address, place):
    """Look at the pages that tell of a run that failed; what is to be done is a link there."""
    [run] = scout.runs.list()
    check(opened, "data-sources-failed")
    check_all(
        opened, address,
        dataset_failed=place, run_failed=f"/runs/{run.run_id}/",
        project_failed="/projects/river/", operator_failed="/operator/",
    )  # fmt: skip
    go(opened, f"{address}/")


def press(opened, key, code, text=""):
    event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
    opened.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
    opened.call("Input.dispatchKeyEvent", type="keyUp", **event)


def use_the_keyboard(opened, address):
    """Reach what is on the page of data sources with Tab, see where one is, and unfold a form."""
    go(opened, f"{address}/")
    focused = "document.activeElement"
    reached = []
    while len(reached) < MOST_TABS and "Disconnect" not in "".join(reached[-1:]):
        press(opened, "Tab", 9)
        reached.append(opened.evaluate(f"{focused}.innerText") or "")
        assert opened.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid", reached
    assert reached[0] == "Skip to content"
    assert {"Projects", "Sign out"} <= set(reached)
    press(opened, "Enter", 13, "\r")
    assert opened.evaluate(f"{focused}.parentElement.open")


def look_at_everything(scout, opened, address, place):
    """Look at all pages with data on them."""
    [dataset] = scout.datasets.list()
    days = [*range(20, 10, -1), *range(7, 0, -1)]
    add_past_runs(scout, dataset.id, [24 * each for each in days], rows=60, failed=[4])
    run = scout.runs.list()[0].run_id
    check_all(
        opened, address,
        data_sources="/", dataset=place, tables=f"{place}tables/", lineage=f"{place}lineage/",
        table=f"{place}tables/?table=cases", run=f"/runs/{run}/", projects="/projects/",
        project="/projects/river/", operator="/operator/", checks="/operator/checks/",
        not_found="/datasets/none/",
    )  # fmt: skip
    go(opened, f"{address}{place}query/")
    send(opened, "/query/#result", sql="SELECT case_type, count(*) FROM cases GROUP BY 1")
    sees(opened, "case_type", "History of queries")
    check(opened, "query")
    send(opened, "/query/#result", sql="SELECT nothing")
    check(opened, "query-rejected")
    go(opened, f"{address}/account/")
    send(opened, "/account/tokens/", name="notebook")
    sees(opened, "Copy it now")
    check(opened, "account")
    use_the_keyboard(opened, address)
    if file := os.environ.get("SCOUT_TEST_README_PICTURE"):
        go(opened, address + place)
        clip = {"x": 0, "y": 0, "width": 1200, "height": 774, "scale": 1}
        picture(opened, Path(file), clip=clip)
