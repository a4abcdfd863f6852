"""The guide for changed and lost keys, command by command, as a person would paste it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commcare_sandbox import Sandbox
from scout_control.api.scout import Scout
from scout_control.installation import embedded_postgres
from scout_control.installation.encryption import Keyring, generate
from scout_control.installation.settings import Settings
from scout_control.store.models import Credential
from sqlalchemy import select
from support.workers import environment_of

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/guides/lost-keys.md"
EXIT_CODE = re.compile(r"# exit code (\d+)")
SECRETS = ("the credential for hq --project river", "the password of the connection warehouse")


def section(title):
    """Return the commands of a section of the guide, with their documented exit codes."""
    text = GUIDE.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    return [(line, int(found[1]) if (found := EXIT_CODE.search(line)) else 0) for line in lines]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(cases=20, forms=5) as started:
        yield started


@pytest.fixture
def guided(control_postgres, sandbox, tmp_path):
    """The installation of the guide; ``follow`` pastes the commands of a section into a shell."""
    key = generate()
    url = embedded_postgres.create_database(control_postgres, f"keys_{tmp_path.name[-12:]}")
    (tmp_path / "scout.keys").write_text(f"{key}\n")
    settings = Settings(
        project_root=ROOT, home=tmp_path / "home", database_url=url, encryption_keys=key
    )
    with Scout(settings) as scout:
        scout.init()
        scout.projects.create("river")
        config = {"domain": sandbox.domain}
        scout.sources.add("hq", "commcare", base_url=sandbox.url, config=config)
        scout.sources.link("river", "hq", mode="project")
        scout.datasets.ensure("river", "hq")
        fields = {"username": sandbox.username, "api_key": sandbox.api_key}
        scout.credentials.save("hq", "api_key", fields, project="river")
        scout.connections.add("warehouse", url)

    def follow(title, keys):
        variables = {
            "SCOUT_ENCRYPTION_KEYS": keys,
            "WAREHOUSE_URL": url,
            "HQ_USERNAME": sandbox.username,
            "HQ_API_KEY": sandbox.api_key,
        }
        said = pasted(title, tmp_path, environment_of(settings) | variables)
        assert sandbox.api_key not in "".join(said.values())
        return said

    return settings, follow


def pasted(title, folder, environment):
    """Paste the commands of a section into a shell; return what each of them said."""
    steps = section(title)
    script = "\n".join(f"{line}\nprintf '\\n== %s\\n' $?" for line, _ in steps)
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env=environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    said = re.split(r"\n== (\d+)\n", done.stdout)
    outputs, codes = said[:-1:2], [int(code) for code in said[1::2]]
    assert codes == [code for _, code in steps], done.stdout
    commands = [line.partition("#")[0].strip() for line, _ in steps]
    # Of a command that is repeated, the first output.
    return dict(reversed(list(zip(commands, outputs, strict=True))))


def opens(settings, key):
    """Return whether a key alone decrypts the stored credential."""
    with Scout(settings) as scout, scout.installation.store.begin() as session:
        return Keyring([key]).opens(session.scalar(select(Credential.secrets)))


def test_a_changed_key(guided, tmp_path):
    settings, follow = guided
    new = generate()
    (tmp_path / "new.keys").write_text(f"{new}\n")

    said = follow("The key was changed", new)

    assert all(name in said["scout init"] for name in SECRETS)
    assert opens(settings, new)


def test_a_wrong_first_key_with_the_right_one_second(guided, tmp_path):
    settings, follow = guided
    (tmp_path / "wrong.keys").write_text(f"{generate()}\n")

    follow("The wrong key is first", settings.encryption_keys)

    assert opens(settings, settings.encryption_keys)


def test_a_lost_key(guided, tmp_path):
    settings, follow = guided

    said = follow("The key is lost", "")

    assert all(name in said["scout init"] for name in SECRETS)
    assert (tmp_path / "new.keys").stat().st_mode & 0o777 == 0o600
    assert "river/hq: completed" in said["scout run river/hq"]
    assert opens(settings, (tmp_path / "new.keys").read_text().strip())


def test_another_key_in_the_key_file(folder, sandbox):
    settings = Settings(project_root=ROOT, home=folder / ".scout")
    try:
        with Scout(settings) as scout:
            scout.init()
            scout.projects.create("river")
            config = {"domain": sandbox.domain}
            scout.sources.add("hq", "commcare", base_url=sandbox.url, config=config)
            fields = {"username": sandbox.username, "api_key": sandbox.api_key}
            scout.credentials.save("hq", "api_key", fields, project="river")
        unset = {"SCOUT_DATABASE_URL", "SCOUT_ENCRYPTION_KEYS"}
        environment = {
            name: value for name, value in environment_of(settings).items() if name not in unset
        }
        said = pasted("Another key in the key file", folder, environment)
    finally:
        embedded_postgres.stop(settings.home / "postgres")

    rotated, again, forgotten = (
        said[f"scout keys rotate{options}"] for options in ("", " --json", " --forget-old --yes")
    )
    assert rotated == "Re-encrypted 1 secret with the primary key.\n"
    assert json.loads(again) == {
        "success": True,
        "changed": 1,
        "file": str(settings.key_file),
        "added_key": True,
        "removed_keys": 0,
    }
    assert "Removed 2 older keys" in forgotten
    assert len(settings.key_file.read_text().split()) == 1
