"""The page in a real browser: from nothing to a synced dataset, without a shell.

With ``SCOUT_TEST_PICTURES`` set to a folder, pictures of the pages are kept there.
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
from scout_control.api.scout import Scout
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import generate
from scout_control.installation.settings import Settings
from support.browser import PROGRAM, browser
from support.web import LINK, served
from support.workers import worker

ROOT = Path(__file__).parents[2]
AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
CALLBACK = "/api/datasources/oauth/callback/"
CASES = 120
WIDE = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
NARROW = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
TEXT = "document.body.innerText"
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
    )


@pytest.fixture(scope="module")
def scout(settings, sandbox):
    with Scout(settings) as opened:
        opened.init()
        opened.projects.create("river")
        opened.sources.add(
            "hq",
            "commcare",
            base_url=sandbox.url,
            config={"domain": sandbox.domain, "page_size": 10, "concurrency": 1},
            client_id=sandbox.client_id,
            client_secret=sandbox.client_secret,
        )
        opened.sources.link("river", "hq", mode="project", config={"datasets": ["cases"]})
        yield opened


@pytest.fixture(scope="module")
def opened():
    with browser() as found:
        found.call("Emulation.setDeviceMetricsOverride", **WIDE)
        yield found


def click(opened, text, scope="main"):
    """Click what has this text, once it is there."""
    buttons = f"{scope} :is(a, button, input[type=submit])"
    found = f"[...document.querySelectorAll({buttons!r})].find(each => "
    found += f"(each.innerText || each.value).trim().startsWith({text!r}))"
    opened.wait_for(f"{found} !== undefined && ({found}.click(), true)")


def picture(opened, name):
    """Keep a picture of the page, if a folder for them is named."""
    folder = os.environ.get("SCOUT_TEST_PICTURES")
    if folder:
        found = opened.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(found))


def serious(opened):
    """Return what keeps people from using the page, as axe-core finds it."""
    opened.evaluate(AXE.read_text(encoding="utf-8"))
    opened.evaluate(
        "window.found = null; axe.run().then(result => { window.found = result.violations.filter("
        "each => ['serious', 'critical'].includes(each.impact)).map("
        "each => each.id + ': ' + each.nodes.map(node => node.html).join(' ')); })"
    )
    opened.wait_for("window.found !== null")
    return opened.evaluate("window.found")


def check(opened, name):
    """Look at a page: wide, in the dark, on a phone."""
    assert serious(opened) == []
    picture(opened, f"{name}-wide")
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    opened.call("Emulation.setEmulatedMedia", features=dark)
    assert serious(opened) == []
    picture(opened, f"{name}-dark")
    opened.call("Emulation.setEmulatedMedia", features=[])
    opened.call("Emulation.setDeviceMetricsOverride", **NARROW)
    assert opened.evaluate(FITS)
    picture(opened, f"{name}-360")
    opened.call("Emulation.setDeviceMetricsOverride", **WIDE)


def test_from_nothing_to_a_synced_dataset(scout, settings, sandbox, opened):
    with served(settings) as (page, _, said):
        opened.show(page.address)
        opened.wait_for(f"{TEXT}.includes('Sign in')")
        check(opened, "sign-in")
        opened.show(LINK.search("".join(said))[1])
        opened.wait_for(f"{TEXT}.includes('Sign in as operator?')")
        check(opened, "link")
        click(opened, "Sign in")
        click(opened, "Become an admin of river")
        opened.wait_for(f"!{TEXT}.includes('You are in no project') && {TEXT}.includes('hq')")
        check(opened, "nothing")
        # At HQ: sign in there, and consent.
        click(opened, "Connect")
        click(opened, "Log In", scope="body")  # the account of the sandbox is filled in
        click(opened, "Authorize", scope="body")
        opened.wait_for(f"location.origin == {page.address!r} && {TEXT}.includes('connected')")
        assert [each.status for each in scout.credentials.list()] == ["connected"]
        click(opened, "Start syncing")
        opened.wait_for(f"{TEXT}.includes('Waiting for a worker')")
        with worker(settings, stderr=subprocess.DEVNULL):
            opened.wait_for(f"/Loading cases \\d+ of {CASES}/.test({TEXT})")
            opened.wait_for(f"/\\d+\\/s, \\d+ s left/.test({TEXT})")
            check(opened, "loading")
            click(opened, "Cancel")
            opened.wait_for(f"{TEXT}.includes('Sync now')")
            sandbox.set(latency_ms=0)
            click(opened, "Sync now")
            opened.wait_for(f"/{CASES} rows in/.test({TEXT})")
        check(opened, "synced")
        click(opened, "river/hq")
        click(opened, "Preview")
        opened.wait_for(f"{TEXT}.includes('20 rows')")
        check(opened, "dataset")
        entries = [each["entry"] for each in opened.of("Log.entryAdded")]
        ours = [each for each in entries if each.get("url", "").startswith(page.address)]
        assert [each["text"] for each in ours if each["level"] == "error"] == []
        assert opened.of("Runtime.exceptionThrown") == []
        asked = {each["request"]["url"] for each in opened.of("Network.requestWillBeSent")}
        hosts = (page.address, sandbox.url, "data:", "about:")
        assert [url for url in asked if not url.startswith(hosts)] == []
