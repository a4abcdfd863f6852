"""What a person at the REST interface or the page, or an agent, can do in place of a command."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from scout_control.cli.main import main
from scout_control.mcp.tools import BY_NAME
from scout_control.rules import equivalents, remedies
from scout_control.rules.remedies import OF_A_PERSON, OF_WHO_RUNS_IT, Surface, by_surface
from scout_control.serve.routers import ROUTERS
from support import advice

import scout_control

REQUESTS = {
    f"{method} {route.path}" for router in ROUTERS for route in router.routes
    for method in route.methods
}  # fmt: skip
PACKAGE = Path(scout_control.__path__[0])
WITH_A_SHELL = {"cli", "demo"}
ONLY_AT_A_SHELL = {
    *("apply", "export", "init", "keys", "project", "quickstart", "sessions", "worker", "query"),
    "tick",
}
"""What no one without a shell does."""


def advised():
    """Yield the texts of the program that advise a command, but for those of the commands."""
    for path, text in advice.texts(PACKAGE):
        if path.relative_to(PACKAGE).parts[0] not in WITH_A_SHELL and remedies.COMMAND.search(text):
            yield text


ADVISED = sorted(set(advised()))


@pytest.mark.parametrize(
    ("remedy", "expected"),
    [
        ("See: scout datasets list", "See: list_datasets"),
        ("See: scout projects list", "See: list_datasets"),
        ("Load it: scout run river/hq", "Load it: run_materialization with the dataset river/hq"),
        (
            "Load it: scout run 'my river/hq'",
            "Load it: run_materialization with the dataset 'my river/hq'",
        ),
        (
            "Look which tables it has: scout describe river/hq --tables",
            "Look which tables it has: list_tables with the dataset river/hq",
        ),
        (
            "scout describe river/hq --table visit; scout describe river/hq --table child",
            "describe_table with the dataset river/hq and the table visit; "
            "describe_table with the dataset river/hq and the table child",
        ),
        ("Narrow the query, or raise --timeout.", "Narrow the query."),
        ("See: scout runs show 1f2e", "See: get_materialization_status with 1f2e"),
        ("Correct it.", "Correct it."),
        (
            "A person must reconnect: scout credentials connect hq --project river",
            "A person must reconnect: “Connect” or “Reconnect” on the page Data sources. "
            + OF_A_PERSON,
        ),
        ("Run: scout init", f"Run: scout init. {OF_A_PERSON}"),
    ],
)
def test_for_an_agent_a_remedy_names_tools_and_else_what_a_person_does(remedy, expected):
    assert by_surface(remedy, Surface.AGENTS) == expected


@pytest.mark.parametrize(
    ("remedy", "expected"),
    [
        ("See: scout projects list", "See: GET /api/datasources/projects/"),
        (
            "Give it (scout sources update 'my hq' -c domain=VALUE).",
            "Give it (PATCH /api/datasources/sources/my%20hq/ with config.domain).",
        ),
        (
            "Give it (scout links add hq --project river --mode user -c domain=VALUE).",
            "Give it (POST /api/datasources/project-sources/ with source hq, project river, "
            "credential_mode, sync_config.domain).",
        ),
        (
            "Set it at the source (scout sources update hq --base-url URL or --config NAME=VALUE), "
            "and leave it out here; if the link has it already: "
            "scout links update hq --project river --unset a.b",
            "Set it at the source (PATCH /api/datasources/sources/hq/ with base_url, config.NAME), "
            "and leave it out here; if the link has it already: "
            "PATCH /api/datasources/project-sources/{link}/ with sync_config.a.b null "
            "({link} is the id of the link of river to hq)",
        ),
        (
            "Load it: scout run 'big river/hq'",
            "Load it: POST /api/datasources/datasets/{dataset}/sync/ "
            "({dataset} is the id of 'big river/hq')",
        ),
        (
            "Load it: scout run data_river_1f --full-refresh",
            "Load it: POST /api/datasources/datasets/data_river_1f/sync/ with full_refresh true",
        ),
        (
            "Remove them too: scout purge --user ben. Or only end the access: "
            "scout people update ben --inactive",
            "Remove them too: POST /api/datasources/purges/ with confirm true, user ben. Or only "
            "end the access: PATCH /api/datasources/people/ben/ with is_active false",
        ),
        (
            "Load everything again: scout datasets drop a && scout run a",
            "Load everything again: DELETE /api/datasources/datasets/a/, then "
            "POST /api/datasources/datasets/a/sync/",
        ),
        (
            "See: scout runs show 1f; or cancel it: scout runs cancel 1f",
            "See: GET /api/datasources/sync-jobs/1f/; or cancel it: "
            "POST /api/datasources/sync-jobs/1f/cancel/",
        ),
        (
            "Correct it: scout people update 'a/../b' --unset issuer --unset subject",
            "Correct it: PATCH /api/datasources/people/{person}/ with issuer null, subject null",
        ),
        (
            "Create them, or omit them: scout datasets share a ROLE...",
            "Create them, or omit them: POST /api/datasources/datasets/a/share/ with roles.",
        ),
        ("Run: scout init", f"Run: scout init. {OF_WHO_RUNS_IT}"),
        ("Run: scout init.", f"Run: scout init. {OF_WHO_RUNS_IT}"),
        ("It is not as scout writes it.", "It is not as scout writes it."),
        ("Give user=scout dbname=x.", "Give user=scout dbname=x."),
        ("Put it in scout run's folder 'x", "Put it in scout run's folder 'x. " + OF_WHO_RUNS_IT),
        ("", ""),
    ],
)
def test_in_rest_a_remedy_names_requests(remedy, expected):
    assert by_surface(remedy, Surface.REST) == expected


def test_on_the_page_a_remedy_names_what_is_there():
    remedy = "See: scout runs show 1f; or cancel it: scout runs cancel 1f"

    assert by_surface(remedy, Surface.PAGE) == (
        "See: the runs on the page of the dataset; "
        "or cancel it: “Cancel” on the page of the dataset"
    )


@pytest.mark.parametrize("text", ADVISED)
@pytest.mark.parametrize("surface", Surface)
def test_every_advised_command_is_replaced_or_said_to_be_of_the_shell(text, surface):
    left = remedies.COMMAND.findall(by_surface(text, surface))

    if surface is Surface.REST:
        assert {each.split()[0] for each in left} <= ONLY_AT_A_SHELL
    assert bool(left) <= (OF_A_PERSON in by_surface(text, surface)) | (
        OF_WHO_RUNS_IT in by_surface(text, surface)
    )


@pytest.mark.parametrize("name", equivalents.TABLE)
def test_each_request_is_one_of_the_openapi_document_and_each_tool_exists(name):
    does = equivalents.TABLE[name]
    for method, path in re.findall(r"(GET|POST|PATCH|DELETE) ([\w{}/-]+)", does.rest):
        asked = path if path.startswith("/") else equivalents.BASE + path
        assert f"{method} {asked}" in REQUESTS
    tools = re.findall(r"\b[a-z]+_[a-z_]+\b", does.agents)
    assert set(tools) <= set(BY_NAME)
    assert bool(does.agents) == bool(tools)
    words = [each for each in name.split() if not each.startswith("-")]
    command, _ = advice.command_of(main, words)
    assert command is not None


def test_what_begins_a_command_is_every_command():
    assert set(remedies.NOUNS) == set(main.list_commands(click.Context(main)))
