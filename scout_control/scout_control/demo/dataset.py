"""Registers the sandbox as a source of the project ``demo``, through the public interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scout_control.demo.sandbox import DEFAULT_SIZE
from scout_control.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.api.scout import Scout
    from scout_control.demo.demo_file import DemoFile
    from scout_control.demo.sandbox import Sandbox, Size
    from scout_control.demo.source import Source

PROJECT = "demo"
CONNECTED = "connected"


def key_of(source: Source, size: Size) -> str:
    """Return the demo's own name for a source; it includes the size unless that is the default."""
    is_default = source.size(size) == source.size(DEFAULT_SIZE)
    return source.name if is_default else f"{source.name}-{source.size(size)}"


def register(
    scout: Scout,
    demo_file: DemoFile,
    source: Source,
    sandbox: Sandbox,
    config: Mapping[str, Any] | None = None,
) -> str:
    """Create or update project, source, link, credential and dataset; return the dataset's path.

    Args:
        scout: The installation.
        demo_file: Gets the name of the source.
        source: The source.
        sandbox: The sandbox that serves it, on a new port after each start.
        config: Settings of the tap for the next run only.
    """
    if PROJECT not in {each.id for each in scout.projects.list()}:
        scout.projects.create(PROJECT)
    name = _add_or_move(scout, demo_file, source, sandbox)
    scout.sources.link(PROJECT, name, mode="project", config=config)
    if not _is_connected(scout, name):
        login = source.login(sandbox)
        scout.credentials.save(name, login.kind, login.fields, project=PROJECT)
    dataset = scout.datasets.ensure(PROJECT, name)
    if not dataset.is_paused:
        # A worker of this installation must not look for the sandbox when it no longer runs.
        scout.datasets.pause(dataset.path)
    return dataset.path


def _add_or_move(scout: Scout, demo_file: DemoFile, source: Source, sandbox: Sandbox) -> str:
    key, url, config = key_of(source, sandbox.size), source.url(sandbox), source.config(sandbox)
    existing = {each.name: each for each in scout.sources.list()}
    known = demo_file.sources.get(key)
    if known in existing:
        if existing[known].base_url != url:
            scout.sources.update(known, base_url=url, config=config)
        return known
    # A source of the same name that the demo did not add may lead to a real server.
    name = next((each for each in (key, f"{key}-sandbox") if each not in existing), None)
    if name is None:
        raise ConflictError(
            f"This installation already has sources named {key} and {key}-sandbox.",
            "Set SCOUT_HOME to another folder for the demo.",
        )
    scout.sources.add(name, source.source_type, base_url=url, config=config)
    demo_file.sources[key] = name
    return name


def _is_connected(scout: Scout, name: str) -> bool:
    found = scout.credentials.list(project=PROJECT)
    return any(each.source == name and each.status == CONNECTED for each in found)
