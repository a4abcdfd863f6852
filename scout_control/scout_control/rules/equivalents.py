"""What does the same as a command of the shell: a request, an agent's tool, a place of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

BASE = "/api/datasources/"
DATASET = "datasets/{dataset}/"
LINK = "project-sources/{link}/"
DATASET_PAGE = "the page of the dataset"
SOURCES_PAGE = "the page Data sources"
LINKS_PAGE = "the page of the project, under “Sources”"
MEMBERS_PAGE = "the page of the project, under “Members”"
PEOPLE_PAGE = "the page Operator, under “People”"
ACCOUNT_PAGE = "“Your account”, at the top of each page"


@dataclass(frozen=True)
class Equivalent:
    """What does the same as a command; empty where nothing does."""

    rest: str
    """A request: its method, its path below ``BASE``, and what it sends."""
    agents: str = ""
    page: str = ""
    arguments: tuple[str, ...] = ()
    """The names of what the command takes, as the others call it in braces."""
    settings: str = "config"
    """The field of the request that holds the settings of ``--config``."""


Row = tuple[str, Equivalent]


def _row(command: str, rest: str, agents: str = "", page: str = "", settings: str = "") -> Row:
    """Return a row; what the command takes follows its words, in capitals."""
    words = command.split()
    arguments = tuple(word.lower() for word in words if word.isupper())
    name = " ".join(word for word in words if not word.isupper())
    return name, Equivalent(rest, agents, page, arguments, settings or Equivalent.settings)


def _rows_of_nouns() -> Iterator[Row]:
    """Yield what the REST interface has under the same noun."""
    for noun, one, agents, page in (
        ("connections", "connection", "", ""),
        ("datasets", "dataset", "list_datasets", SOURCES_PAGE),
        ("people", "person", "", PEOPLE_PAGE),
        ("projects", "project", "list_datasets", "the page Projects"),
        ("sources", "source", "", SOURCES_PAGE),
    ):
        path, argument = f"{noun}/{{{one}}}/", one.upper()
        yield _row(f"{noun} list", f"GET {noun}/", agents, page)
        yield _row(f"{noun} show {argument}", f"GET {path}", agents, page)
        yield _row(f"{noun} update {argument}", f"PATCH {path}", "", page)
        yield _row(f"{noun} remove {argument}", f"DELETE {path}", "", page)


def _rows_of_data() -> Iterator[Row]:
    tables, page = f"GET {DATASET}tables/", f"the tables on {DATASET_PAGE}"
    one = "describe_table with the dataset {dataset} and the table {table}"
    yield _row("describe DATASET", tables, "list_tables with the dataset {dataset}", page)
    yield _row("describe --table DATASET", f"{tables}{{table}}/", one, page)
    yield _row("datasets drop DATASET", f"DELETE {DATASET}")
    yield _row("datasets share DATASET", f"POST {DATASET}share/ with roles")
    yield _row("url DATASET", f"POST {DATASET}url/")
    ensure, page = (
        "POST datasets/ with source {source}{owner}",
        f"“Start syncing” on {SOURCES_PAGE}",
    )
    yield _row("datasets ensure SOURCE", ensure, "", page)
    load, page = "run_materialization with the dataset {dataset}", f"“Sync now” on {DATASET_PAGE}"
    yield _row("run DATASET", f"POST {DATASET}sync/", load, page)
    cancel, page = "cancel_materialization with {run}", f"“Cancel” on {DATASET_PAGE}"
    yield _row("runs cancel RUN", "POST sync-jobs/{run}/cancel/", cancel, page)
    look, page = "get_materialization_status with {run}", f"the runs on {DATASET_PAGE}"
    yield _row("runs show RUN", "GET sync-jobs/{run}/", look, page)
    yield _row("runs logs RUN", "GET sync-jobs/{run}/logs/", look, page)
    latest = "get_schema_status, which has the run of a dataset"
    yield _row("runs list", "GET sync-jobs/", latest, page)
    yield _row("status", "GET status/", "list_datasets", SOURCES_PAGE)


def _rows_of_sources() -> Iterator[Row]:
    connect = f"POST credentials/ or POST {BASE}oauth/start/ with source {{source}}{{owner}}"
    page = f"“Connect” or “Reconnect” on {SOURCES_PAGE}"
    yield _row("credentials connect SOURCE", connect, "", page)
    page = f"{SOURCES_PAGE}, under “My connections”"
    yield _row("credentials revoke SOURCE", "DELETE credentials/{credential}/", "", page)
    add, of_link = "POST project-sources/ with source {source}{owner}", "sync_config"
    yield _row("links list", "GET project-sources/", "", LINKS_PAGE)
    yield _row("links add SOURCE", add, "", LINKS_PAGE, of_link)
    yield _row("links update SOURCE", f"PATCH {LINK}", "", LINKS_PAGE, of_link)
    yield _row("links remove SOURCE", f"DELETE {LINK}", "", LINKS_PAGE)
    yield _row("links remove --drop SOURCE", f"DELETE {LINK}?drop=true", "", LINKS_PAGE)


def _rows_of_people() -> Iterator[Row]:
    members = "projects/{project}/members/"
    yield _row("members list", f"GET {members}", "", MEMBERS_PAGE)
    yield _row("members update PERSON", f"PATCH {members}{{person}}/", "", MEMBERS_PAGE)
    yield _row("people add PERSON", "POST people/ with id {person}", "", PEOPLE_PAGE)
    make = "POST tokens/ in a browser that is signed in"
    yield _row("tokens create", make, "", ACCOUNT_PAGE)
    yield _row("tokens list", "GET tokens/", "", ACCOUNT_PAGE)


def _rows_of_the_installation() -> Iterator[Row]:
    yield _row("audit", "GET audit/")
    yield _row("audit --verify", "GET audit/verify/")
    yield _row("doctor", "GET doctor/", "", "the page Operator")
    yield _row("purge", "POST purges/ with confirm true{owner}")


GROUPS = (
    _rows_of_nouns,
    _rows_of_data,
    _rows_of_sources,
    _rows_of_people,
    _rows_of_the_installation,
)
TABLE: Mapping[str, Equivalent] = {name: same for rows in GROUPS for name, same in rows()}
"""By the words of a command; an option may be one of them."""
