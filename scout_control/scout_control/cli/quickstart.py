"""``scout quickstart``: five questions, then tables."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from scout_control.api.quickstart import answers_file
from scout_control.api.quickstart.answers import DEMO, PRODUCTS, Answers, parse_place
from scout_control.api.quickstart.given import Given
from scout_control.api.source_config import check_url
from scout_control.cli.base import json_option, wants_json, with_scout
from scout_control.cli.output import print_result
from scout_control.cli.project import make_default_folder
from scout_control.cli.quickstart_questions import Interview, OnlyTrying, missing_error
from scout_control.cli.runs import run_here
from scout_control.cli.terminal import say
from scout_control.cli.waiting import waiting
from scout_control.errors import RunInterruptedError, SettingsError
from scout_control.installation.settings import Settings
from scout_control.rules.terminal import as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from scout_control.api.scout import Scout

INTERRUPTED = 130
ANY_SERVER = "https://server"
"""Stands for the usual server of a product, which is not known yet."""
QUERIES = {
    "commcare": "select case_type, count(*) from cases group by 1",
    "connect": "select name, is_active from opportunities",
}


def _option(name: str, help_text: str, **more: Any) -> Callable[..., Any]:
    """Return an option that an environment variable can give, too."""
    variable = f"SCOUT_QUICKSTART_{name.removeprefix('--').replace('-', '_').upper()}"
    return click.option(name, envvar=variable, help=f"{help_text} [{variable}]", **more)


@click.command()
@_option("--source", "What is read.", type=click.Choice([*PRODUCTS, DEMO]))
@_option("--domain", "CommCare HQ: the project space, by name or address.")
@_option("--organization", "Connect: the organization, by name or address; '' for all.")
@_option("--server", "The server, unless an address names it.", metavar="URL")
@_option("--username", "CommCare HQ: the e-mail address of the web user.")
@_option(
    "--api-key-file",
    "A file with the API key, or the access token of Connect; - for stdin. The key itself may be "
    "in SCOUT_QUICKSTART_API_KEY.",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--database-url-from-env",
    metavar="VARIABLE",
    help="Keep the tables in the Postgres whose URL is in this variable.",
)
@_option(
    "--interval-hours",
    "Hours between scheduled runs; 24 by default.",
    type=click.IntRange(1, 8784),
)
@_option("--project", "The id of the project; named like the project space by default.")
@click.option("--no-load", is_flag=True, help="Only set it up.")
@click.option("--no-browser", is_flag=True, help="Connect: paste the redirect URL instead.")
@click.option("--no-test", is_flag=True, help="Store the key without a test at the source.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the default of what is not given.")
@click.option("--restart", is_flag=True, help="Forget the answers of an earlier start.")
@json_option
def quickstart(*, yes: bool, restart: bool, **options: Any) -> None:
    """Set up a source and load it: answer five questions, get tables.

    What is missing is made: the project folder, the installation, project, source, link and
    credential. Started again, it continues and asks only what is missing. The options answer in
    advance; a secret is never an argument. Without a terminal, or with --yes, nothing is asked.

    Ctrl-C and Ctrl-D end it with exit code 130; the exit codes of the run are those of scout run.
    """
    given = _given(options)
    is_asking = not yes and sys.stdin.isatty() and not wants_json()
    if given.source == DEMO:
        _print_demo()
        return
    if not is_asking:
        _check_options(given, _earlier(None if restart else _home()), has_defaults=yes)
    make_default_folder()
    try:
        code = with_scout(_set_up)(
            given=given,
            is_asking=is_asking,
            is_restarted=restart,
            is_without_browser=options["no_browser"],
            is_tested=not options["no_test"],
        )
    except (click.Abort, KeyboardInterrupt):
        _print_interruption()
        code = INTERRUPTED
    sys.exit(code)


def _check_options(given: Given, earlier: Answers, *, has_defaults: bool) -> None:
    """Check, before anything is made, that what cannot be asked is given.

    Raises:
        SettingsError: It is not.
    """
    # Whether an account is connected is known in the store, which may not exist yet.
    may_be_connected = earlier.place is not None
    missing = given.missing(
        given.over(earlier), has_defaults=has_defaults, is_connected=may_be_connected
    )
    if missing:
        raise missing_error(missing)


def _home() -> Path | None:
    """Return the folder of the installation, if there is one."""
    try:
        return Settings.load().home
    except SettingsError:
        return None


def _earlier(home: Path | None) -> Answers:
    return Answers() if home is None else answers_file.load(home)


def _print_demo() -> None:
    print_result({"success": True, "next": "scout demo"}, lambda: say("Run: scout demo"))


def _print_interruption() -> None:
    if wants_json():
        error = RunInterruptedError("Interrupted.", "To continue: scout quickstart")
        say(as_json({"success": False, "error": {"code": "CANCELLED", "message": str(error)}}))
    say("\nInterrupted. To continue: scout quickstart", err=True)


def _given(options: dict[str, Any]) -> Given:
    source, domain, organization = (options[n] for n in ("source", "domain", "organization"))
    by_place = {"commcare": domain, "connect": organization}
    places = {name: place for name, place in by_place.items() if place is not None}
    if len(places) > 1 or (source and places and source not in places):
        raise click.UsageError("--domain is for commcare, and --organization for connect.")
    source = source or next(iter(places), None)
    place = next(iter(places.values()), None)
    problems: list[str] = []
    secret = _read(_secret, options["api_key_file"], problems)
    database_url = _read(_variable, options["database_url_from_env"], problems)
    if problems:
        problems += _place_problem(source, place, options["server"])
        raise click.UsageError(" ".join(problems))
    return Given(
        source=source,
        place=place,
        server=options["server"],
        username=options["username"],
        project=options["project"],
        interval_hours=options["interval_hours"],
        is_loaded_now=False if options["no_load"] else None,
        secret=secret,
        database_url=database_url,
    )


def _read(reader: Callable[[Any], str | None], given: object, problems: list[str]) -> str | None:
    try:
        return reader(given)
    except click.UsageError as error:
        problems.append(error.message)
        return None


def _place_problem(source: str | None, place: str | None, server: str | None) -> list[str]:
    """Return what is wrong with the form of an address, to be told with what else is wrong."""
    if source not in PRODUCTS or place is None:
        return []
    try:
        check_url(parse_place(place, PRODUCTS[source], server or ANY_SERVER)[0])
    except SettingsError as error:
        return [str(error)]
    return []


def _secret(file: Path | None) -> str | None:
    """Return the key from a file, or from the environment."""
    if file is None:
        return os.environ.get("SCOUT_QUICKSTART_API_KEY") or None
    with click.open_file(str(file), encoding="utf-8", errors="replace") as opened:
        found = str(opened.readline()).strip()
    if not found:
        raise click.UsageError(f"The first line of {file} is empty.")
    return found


def _variable(name: str | None) -> str | None:
    if name is None:
        return None
    if not (found := os.environ.get(name)):
        raise click.UsageError(f"{name} is empty.")
    return found


def _set_up(scout: Scout, *, given: Given, is_restarted: bool, **options: bool) -> int:
    """Ask, set up and load; return the exit code."""
    home = scout.installation.settings.home
    with waiting(f"Preparing the installation in {home}"):
        scout.init()
    say(f"The installation is in {home}.", err=True)
    home = scout.installation.settings.make_home()
    if is_restarted:  # at once: the first answer may never come
        answers_file.remove(home)
    interview = Interview(
        scout,
        given.over(_earlier(home)),
        given,
        home,
        is_asking=options["is_asking"],
        is_without_browser=options["is_without_browser"],
        is_tested=options["is_tested"],
    )
    try:
        interview.conduct()
    except OnlyTrying:
        answers_file.remove(home)
        _print_demo()
        return 0
    return _load(interview)


def _load(interview: Interview) -> int:
    """Load the data, unless it is only to be set up; forget the answers once that has succeeded."""
    setup, answers = interview.setup, interview.answers
    dataset = setup.path(answers)
    if not answers.is_loaded_now:
        answers_file.remove(interview.home)
        print_result({"success": True, "dataset": dataset}, lambda: say(f"{dataset} is set up."))
        _print_next([(f"scout run {quote(dataset)}", "load it")])
        return 0
    code = run_here(interview.scout, dataset)
    if code == 0:
        answers_file.remove(interview.home)
        _print_next(_after_load(answers, dataset, setup.present_interval(answers)))
    else:
        say("To continue: scout quickstart", err=True)
    return code


def _after_load(answers: Answers, dataset: str, hours: int) -> list[tuple[str, str]]:
    name = quote(dataset)
    return [
        (f"scout describe {name}", "the tables and their columns"),
        (f'scout query {name} "{QUERIES[answers.product.name]}"', "a first query"),
        (f"scout docs {name}", "a page about them, docs.html"),
        ("scout status", "what is loaded, and when it is read again"),
        ("scout worker", f"reads what changed, every {hours} hours"),
    ]


def _print_next(commands: list[tuple[str, str]]) -> None:
    """Print what to do next, for people: it is not part of the result."""
    if wants_json():
        return
    say("\nNext:", err=True)
    for command, meaning in commands:
        say(f"  # {meaning}\n  {command}", err=True)
