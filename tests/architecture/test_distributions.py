"""Each program can be installed alone, outside the workspace, and so can all of them together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
INDEX_OPTIONS = {"UV_HTTP_RETRIES": "8", "UV_HTTP_TIMEOUT": "120"}
MEMBERS = {
    file.parent.name: tomllib.loads(file.read_text())["project"]
    for file in sorted(ROOT.glob("*/pyproject.toml"))
}
NAMES = {folder: project["name"] for folder, project in MEMBERS.items()}
VERSION = MEMBERS["scout-sync"]["version"]
CASES = """
    CREATE TABLE cases (domain text, case_id text, case_type text, case_name text,
        external_id text, owner_id text, date_opened timestamptz, last_modified timestamptz,
        server_last_modified timestamptz, indexed_on timestamptz, closed boolean,
        date_closed timestamptz, properties jsonb, indices jsonb, PRIMARY KEY (domain, case_id));
    INSERT INTO cases (domain, case_id, case_type, properties)
        VALUES ('d', '1', 'person', '{"village": "Devpur"}')
"""
PROGRAMS = {
    "tap-commcare": ("tap-common", "tap-commcare"),
    "tap-commcare-connect": ("tap-common", "tap-commcare-connect"),
    "target-scout-postgres": ("target-scout-postgres",),
}


def execute(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(c) for c in command],
        **({"env": os.environ | INDEX_OPTIONS} | options),
        capture_output=True,
        text=True,
        check=False,
    )


def run(*command: object, **options: Any) -> str:
    """Run a command that must succeed; return what it prints."""
    done = execute(*command, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_installed_alone_and_without_the_workspace(program, tmp_path):
    python = tmp_path / "bin" / "python"
    folders = [ROOT / folder for folder in PROGRAMS[program]]

    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path)
    run(UV, "pip", "install", "--quiet", "--no-sources", "--python", python, *folders)

    assert run(tmp_path / "bin" / program, "--version").startswith(f"{program} v")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    """A folder with the wheels of all members."""
    folder = tmp_path_factory.mktemp("wheels")
    run(sys.executable, ROOT / "tools/wheels.py", "--wheels-only", "--out", folder)
    return folder


def install(wheels: Path, environment: Path, *requirements: str) -> None:
    """Install from the folder of wheels; uv would take those of an earlier build from its cache."""
    fresh = [f"--refresh-package={name}" for name in NAMES.values()]
    command = [UV, "pip", "install", "--quiet", "--no-config", *fresh, "--find-links", wheels]
    run(*command, "--python", environment / "bin/python", *requirements, cwd=environment)


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory) -> Path:
    """A new environment with all that pipx would install."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    install(wheels, folder, f"scout-sync[demo]=={VERSION}")
    return folder


@dataclass
class Newcomer:
    """Someone with an empty home and a new environment, far from any checkout."""

    folder: Path
    installed: Path

    def __call__(self, *words: object, cwd: str = "clinic") -> subprocess.CompletedProcess[str]:
        """Run a command in the project folder."""
        return execute(*words, cwd=self.folder / cwd, env=self.environment)

    def json(self, *words: object) -> Any:
        """Run a command of scout that must succeed, and return its result."""
        done = self("scout", *words, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.installed / 'bin'}:/usr/bin:/bin"
        home = str(self.folder / "home")
        return {"PATH": path, "HOME": home, "LANG": "C.UTF-8", "KEY": "", **self.secrets}

    secrets: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def newcomer(installed, folder) -> Iterator[Newcomer]:
    (folder / "home").mkdir()
    found = Newcomer(folder, installed)
    yield found
    found("scout", "demo", "--stop")


@pytest.fixture
def sandbox(newcomer) -> Iterator[dict[str, Any]]:
    """The sandbox of that environment."""
    size = ["--cases", "40", "--forms", "20", "--connect-visits", "30"]
    with subprocess.Popen(
        [newcomer.installed / "bin/commcare-sandbox", "serve", "--port", "0", *size],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield json.loads(process.stdout.readline())
        process.terminate()


def documented(sandbox: dict[str, Any]) -> tuple[str, str]:
    """Return the quickstart's commands before the run, and from it on, for the sandbox."""
    page = (ROOT / "docs/quickstart.md").read_text()
    (block,) = (each for each in page.split("```") if "scout projects create river" in each)
    for placeholder, real in (
        ("https://www.commcarehq.org", sandbox["url"]),
        ("domain=river-health", f"domain={sandbox['domain']}"),
        ("you@example.org", f"{sandbox['username']} --from-env KEY"),  # instead of the prompt
    ):
        assert placeholder in block
        block = block.replace(placeholder, real)
    before, run, after = block.removeprefix("sh\n").partition("scout run")
    return before, run + after


def test_without_a_checkout_and_without_one_of_the_taps_the_other_runs(newcomer, sandbox, wheels):
    """What pipx installs is all that is needed; a tap that is removed breaks nothing else."""
    made = newcomer("scout", "init", "--project", "clinic", cwd=".")
    assert made.returncode == 0, made.stderr
    assert made.stderr.splitlines()[:2] == [
        f"Made the project folder {newcomer.folder / 'clinic'}.",
        "Next: cd clinic",
    ]
    clinic = newcomer.folder / "clinic"
    own = "jobs: [{name: hq, tasks: [tap-commcare target-scout-postgres]}]\n"
    (clinic / "meltano.yml").write_text(
        (clinic / "meltano.yml").read_text().replace("jobs: []\n", own)
    )
    (clinic / "models/custom/mine.sql").write_text(
        "select count(*)::int as n from {{ ref('stg_connect__visits') }}"
    )
    before, run_it = documented(sandbox)
    newcomer.secrets["KEY"] = sandbox["api_key"]
    followed = newcomer("bash", "-euc", before)
    assert followed.returncode == 0, followed.stderr
    connect = sandbox["connect"]
    newcomer.secrets["KEY"] = connect["access_token"]
    newcomer.json(
        "sources", "add", "cc", "--type", "commcare-connect", "--base-url", connect["url"]
    )
    newcomer.json("sources", "link", "cc", "--project", "river", "--mode", "project")
    login = ["--project", "river", "--kind", "token", "--from-env", "KEY"]
    newcomer.json("credentials", "connect", "cc", *login)

    python = newcomer.installed / "bin/python"
    run(UV, "pip", "uninstall", "--quiet", "--python", python, "tap-commcare")
    types = {
        each["source_type"]: each["is_installed"] for each in newcomer.json("sources", "types")
    }
    assert types == {"tap-commcare": False, "tap-commcare-connect": True}
    assert len(newcomer.json("status")["available_sources"]) == 2
    failed = newcomer("scout", "run", "river/hq")
    assert failed.returncode == 2
    assert "program tap-commcare of the plugin tap-commcare is not installed" in failed.stderr
    assert f"Install tap-commcare: {python} -m pip install tap-commcare==0.1.0+" in failed.stderr
    assert "Provisioning" not in failed.stderr
    assert newcomer.json("run", "river/cc")["status"] == "completed"
    query = "select n, (select count(*) from visits) from mine"
    assert newcomer.json("query", "river/cc", query)["rows"] == [[30, 30]]
    assert list(newcomer.installed.rglob("dbt_project/target")) == []

    install(wheels, newcomer.installed, f"tap-commcare=={VERSION}")
    followed = newcomer("bash", "-euc", run_it)
    assert followed.returncode == 0, followed.stderr
    assert "river/hq: completed" in followed.stdout
    query = "select count(*) from cases"
    assert newcomer.json("query", "river/hq", query)["rows"] == [[40]]
    assert newcomer.json("project", "upgrade", "--plan")["changes"] == []
    own_file = newcomer("git", "init", "--quiet"), newcomer("git", "status", "--short", "-uall")
    assert {line[3:] for line in own_file[1].stdout.splitlines()} == {
        *(".gitignore", ".scout-project.json", "README.md", "meltano.yml"),
        *("models/custom/README.md", "models/custom/mine.sql"),
    }


def test_scout_dbt_generates_and_builds_models_without_a_checkout(
    installed, tmp_path, postgres, connection, dataset_schema
):
    """The wheel contains the dbt project; the working folder has models of users only."""
    (tmp_path / "models/custom").mkdir(parents=True)
    mine = "select count(*)::int as n from {{ ref('case_person') }}"
    (tmp_path / "models/custom/mine.sql").write_text(mine)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {dataset_schema}")
        cursor.execute(f"SET search_path TO {dataset_schema}")
        cursor.execute(CASES)

    environment = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "TARGET_SCOUT_POSTGRES_DATABASE_URL": postgres,
        "TARGET_SCOUT_POSTGRES_DEFAULT_TARGET_SCHEMA": dataset_schema,
    }
    run(installed / "bin/scout-dbt", "run", env=environment, cwd=tmp_path)

    with connection.cursor() as cursor:
        cursor.execute("SELECT n, (SELECT village FROM case_person) FROM mine")
        assert cursor.fetchall() == [(1, "Devpur")]


def test_every_supported_python_that_is_here_can_install_and_start_it(wheels, folder):
    pythons = json.loads(run(UV, "python", "list", "--only-installed", "--output-format=json"))
    versions = {each["version_parts"]["minor"]: each["path"] for each in pythons}
    others = set(versions) & {11, 12, 13} - {sys.version_info.minor}
    for minor in sorted(others):
        place = folder / f"3.{minor}"
        run(UV, "venv", "--quiet", "--python", versions[minor], place)
        install(wheels, place, f"scout-sync=={VERSION}")
        environment = {"PATH": f"{place / 'bin'}:/usr/bin:/bin", "HOME": str(place)}
        shown = run("scout", "--help", env=environment, cwd=place)
        taps = run("tap-commcare-connect", "--version", env=environment, cwd=place)
        assert "init" in shown
        assert taps.strip().endswith(VERSION)


@pytest.mark.parametrize("folder_name", sorted(MEMBERS))
def test_every_member_pins_the_others_and_describes_itself(folder_name):
    """An index has no such versions, so a stranger's distribution of that name is never taken."""
    project = MEMBERS[folder_name]
    required = [*project.get("dependencies", []), *_optional(project)]
    ours = [Requirement(each) for each in required if Requirement(each).name in NAMES.values()]

    assert Version(project["version"]).local
    assert project["version"] == VERSION
    assert {str(each.specifier) for each in ours} <= {f"=={VERSION}"}
    assert {"readme", "keywords", "classifiers", "urls", "license-files"} <= set(project)
    assert (ROOT / folder_name / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (ROOT / folder_name / "README.md").is_file()
    assert list((ROOT / folder_name).glob("*/py.typed"))


def _optional(project: dict[str, Any]) -> list[str]:
    extras = project.get("optional-dependencies", {})
    return [each for requirements in extras.values() for each in requirements]


@pytest.mark.parametrize("page", ["README.md", "docs/guides/install.md"])
def test_what_is_installed_from_a_folder_is_named_by_its_version(page):
    assert f"'scout-sync=={VERSION}'" in (ROOT / page).read_text()


def test_pipx_finds_the_same_command_that_scout_control_has():
    """Installers of programs expose the commands of the named distribution only."""
    scripts = [MEMBERS[name]["scripts"]["scout"] for name in ("scout-sync", "scout_control")]

    assert len(set(scripts)) == 1


@pytest.mark.parametrize("tap", ["tap-commcare", "tap-commcare-connect"])
def test_a_tap_requires_a_version_of_tap_common_that_no_public_index_accepts(tap):
    common = tomllib.loads((ROOT / "tap-common" / "pyproject.toml").read_text())["project"]
    project = tomllib.loads((ROOT / tap / "pyproject.toml").read_text())["project"]

    assert f"{common['name']}=={common['version']}" in project["dependencies"]
    assert Version(common["version"]).local
    assert f"pip install ./tap-common ./{tap}" in (ROOT / tap / "README.md").read_text()
    assert f"\npip_url: ./tap-common ./{tap} " in (ROOT / tap / f"{tap}.yml").read_text()


def test_a_tap_without_tap_common_is_not_completed_from_an_index(tmp_path):
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path)
    python = tmp_path / "bin" / "python"

    done = execute(
        UV, "pip", "install", "--no-sources", "--dry-run", "--python", python, ROOT / "tap-commcare"
    )

    assert done.returncode != 0
    assert "commcare-tap-common" in done.stderr
