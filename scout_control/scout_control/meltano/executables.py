"""Where the programs of plugins are: beside this interpreter, or where the project says.

The product's own programs are never looked up on the PATH: there, another version of them may be
installed. Other plugins may also be in a virtual environment that Meltano made, or on the PATH.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from scout_control.errors import SettingsError
from scout_control.meltano import project_file

if TYPE_CHECKING:
    from scout_control.meltano.run_project import RunPlugin, RunProject

PROGRAMS = Path(sys.executable).parent
OWN_DISTRIBUTIONS = frozenset(
    {
        *("tap-commcare", "tap-commcare-connect", "target-scout-postgres"),
        *("scout-dbt", "commcare-sandbox"),
    }
)
LABEL = "+"  # of versions that come from a checkout, and from no index


def resolved(project: RunProject) -> RunProject:
    """Return the project of a run with the paths of its plugins' programs.

    Raises:
        SettingsError: One of them, or Meltano itself, is not installed.
    """
    if importlib.util.find_spec("meltano") is None:
        raise SettingsError(
            "Meltano is not installed.", f"Install it: {install_command('meltano')}"
        )
    return replace(project, plugins=tuple(map(_resolved, project.plugins)))


def find(plugin: RunPlugin) -> str:
    """Return the path of a plugin's program.

    Raises:
        SettingsError: It is not installed.
    """
    return _find(plugin, plugin.programs[plugin.name])


def install_command(distribution: str) -> str:
    """Return the command that installs a distribution for this interpreter."""
    if project_file.is_checkout():
        return f"make -B -C {quote(str(project_file.CHECKOUT))} setup"
    if distribution in OWN_DISTRIBUTIONS:  # which work with each other in one version
        distribution = f"{distribution}=={version('scout-control')}"
    environment = Path(sys.prefix)
    if (environment / "pipx_metadata.json").is_file():
        command = f"pipx inject {quote(environment.name)} {distribution}"
    elif (environment / "uv-receipt.toml").is_file():
        command = f"uv tool install {quote(environment.name)} --with {distribution}"
    elif importlib.util.find_spec("pip") is not None:
        command = f"{quote(sys.executable)} -m pip install {distribution}"
    else:
        command = f"uv pip install --python {quote(sys.executable)} {distribution}"
    if LABEL in version("scout-control"):  # no index has it
        command += ", with the --find-links that scout was installed with"
    return command


def _resolved(plugin: RunPlugin) -> RunPlugin:
    found = {name: _find(plugin, program) for name, program in plugin.programs.items()}
    return replace(plugin, programs=found)


def _find(plugin: RunPlugin, program: str) -> str:
    if "/" in program:
        return program  # a path that the project names, or of Meltano's own environment
    beside = PROGRAMS / program
    if os.access(beside, os.X_OK):
        return str(beside)
    found = None if plugin.distribution else shutil.which(program)
    if found is None:
        raise SettingsError(
            f"The program {program} of the plugin {plugin.name} is not installed.", _remedy(plugin)
        )
    return found


def _remedy(plugin: RunPlugin) -> str:
    if plugin.distribution:
        return f"Install {plugin.distribution}: {install_command(plugin.distribution)}"
    if any(each.get("pip_url") for each in plugin.lineage):
        return (
            "Install it, in the project folder: "
            f"{quote(str(PROGRAMS / 'meltano'))} install {plugin.kind} {quote(plugin.name)}"
        )
    return "Install it, and give its path in meltano.yml, as its executable."
