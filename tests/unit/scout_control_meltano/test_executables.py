"""The product's programs are found beside the interpreter only, others where the user says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import version

import pytest
from scout_control.errors import SettingsError
from scout_control.meltano import executables, project_file, run_project
from scout_control.meltano.executables import find, install_command

OURS = {"annotations": {"scout": {"distribution": "tap-x"}}, "executable": "tap-x"}


def program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@dataclass
class Places:
    """Where programs may be."""

    beside: str
    on_path: str


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setattr(executables, "PROGRAMS", tmp_path / "beside")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return Places(str(tmp_path / "beside/tap-x"), program(tmp_path / "path/tap-x"))


def plugin(tmp_path, *lineage):
    entries = {each["name"]: each for each in lineage}
    return run_project.find(tmp_path, {"plugins": {"extractors": list(entries.values())}}, "tap-x")


def test_a_program_beside_the_interpreter_is_preferred(tmp_path, places):
    program(tmp_path / "beside/tap-x")

    assert find(plugin(tmp_path, {"name": "tap-x", **OURS})) == places.beside
    assert find(plugin(tmp_path, {"name": "tap-x"})) == places.beside


def test_a_foreign_program_may_be_on_the_path(tmp_path, places):
    assert find(plugin(tmp_path, {"name": "tap-x"})) == places.on_path


def test_a_program_of_the_product_is_never_taken_from_the_path(tmp_path, places):
    with pytest.raises(SettingsError) as missing:
        find(plugin(tmp_path, {"name": "tap-x", **OURS}))

    assert missing.value.cause == "The program tap-x of the plugin tap-x is not installed."
    assert missing.value.remedy == f"Install tap-x: {install_command('tap-x')}"


def test_a_plugin_in_the_environment_that_meltano_made_is_found_there(tmp_path, places):
    made = program(tmp_path / ".meltano/extractors/tap-x/venv/bin/tap-x")
    own = {"name": "tap-x", "pip_url": "tap-x-of-others"}

    assert find(plugin(tmp_path, own)) == made
    assert find(plugin(tmp_path, {**OURS, **own, "annotations": {}})) == made


def test_a_plugin_that_meltano_has_to_install_says_how(tmp_path, places, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))

    with pytest.raises(SettingsError, match=r"meltano install extractors tap-x$"):
        find(plugin(tmp_path, {"name": "tap-x", "pip_url": "tap-x"}))


def test_a_plugin_that_inherits_from_the_products_has_its_program(tmp_path, places):
    heir = {"name": "tap-x", "inherit_from": "tap-y"}
    ours = {"name": "tap-y", **OURS}

    assert plugin(tmp_path, heir, ours).distribution == "tap-x"
    assert plugin(tmp_path, {**heir, "executable": "other"}, ours).distribution is None


@pytest.mark.parametrize(
    ("marker", "command"),
    [
        ("pipx_metadata.json", "pipx inject scout-sync tap-x"),
        ("uv-receipt.toml", "uv tool install scout-sync --with tap-x"),
    ],
)
def test_the_advice_fits_how_scout_was_installed(tmp_path, monkeypatch, marker, command):
    prefix = tmp_path / "scout-sync"
    prefix.mkdir()
    (prefix / marker).touch()
    monkeypatch.setattr(executables.sys, "prefix", str(prefix))
    monkeypatch.setattr(project_file, "CHECKOUT", tmp_path)

    assert install_command("tap-x").startswith(f"{command}, with the --find-links")
    own = f"{command.replace('tap-x', 'commcare-sandbox')}=={version('scout-control')}, with"
    assert install_command("commcare-sandbox").startswith(own)


def test_in_a_checkout_the_advice_is_to_make_the_environment():
    assert install_command("tap-x") == f"make -B -C {project_file.CHECKOUT} setup"


def test_every_program_of_the_product_is_beside_this_interpreter():
    document = project_file.read_project(project_file.CHECKOUT / "meltano.yml")
    for name in ("tap-commcare", "tap-commcare-connect", "target-scout-postgres", "dbt-postgres"):
        found = run_project.find(project_file.CHECKOUT, document, name)
        assert found.distribution
        assert os.access(find(found), os.X_OK)
