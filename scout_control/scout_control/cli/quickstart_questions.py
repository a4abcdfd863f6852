"""Asks the questions of the quickstart, each again until its answer holds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

from scout_control.api.quickstart import answers_file
from scout_control.api.quickstart.answers import (
    DEMO,
    PRODUCTS,
    Answers,
    Question,
    parse_place,
    parse_schedule,
    unanswered,
)
from scout_control.api.quickstart.setup import Setup
from scout_control.cli.credentials import authorize_in_browser, tell_account_page
from scout_control.cli.terminal import say
from scout_control.cli.waiting import waiting
from scout_control.errors import (
    ControlError,
    CredentialRefusedError,
    PermissionDeniedError,
    ServerError,
    ServerUnavailableError,
    SettingsError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scout_control.api.quickstart.given import Given
    from scout_control.api.scout import Scout

NUMBERS = {question: number for number, question in enumerate(Question, start=1)}
TRYING = "made-up data on this machine, to try it without an account"
PLACE_QUESTIONS = {
    "commcare": (
        "Which project space? Its address as in the browser, such as\n"
        "https://india.commcarehq.org/a/river-health/, or its name on {server}"
    ),
    "connect": (
        "Which organization? Its address as in the browser, such as\n"
        "{server}/a/river/, or its name there; Enter for all that you can see"
    ),
}
RIGHTS = {
    "commcare": (
        "The web user's role needs 'Access APIs', and to see all data: full organization access,\n"
        "and the permissions for what is to be read."
    ),
    "connect": "Any membership of the organization is enough; the scope is 'read export'.",
}
TRY_AGAIN = "No key was stored. Correct it, or add --no-test; then run: scout quickstart"
IF_RIGHT = "If the address is right, give it again: what the account may not read is then left out."
OTHER_KEY = "It was not stored. To reconnect with another: scout quickstart --api-key-file FILE"


class OnlyTrying(Exception):  # noqa: N818 - not an error: the person chose the demo
    """No source was chosen, but the demo."""


@dataclass
class Interview:
    """The questions of one start, and what is done with each answer."""

    scout: Scout
    answers: Answers
    given: Given
    home: Path
    is_asking: bool
    is_without_browser: bool = False
    secret: str | None = field(default=None, repr=False)
    tried: str | None = None
    """The address that was tried last, to be corrected."""
    forbidden: tuple[str | None, str | None] | None = None
    """The place of which the account may not read everything; named again, it is right."""
    unreachable: str | None = None
    """The server that did not respond; named again, it is kept."""
    is_tested: bool = True
    setup: Setup = field(init=False)

    def __post_init__(self) -> None:
        self.setup = Setup(self.scout)
        self.secret = self.given.secret
        if self.answers.place:
            self.tried = f"{self.answers.server}/a/{self.answers.place}/"

    def conduct(self) -> Answers:
        """Ask what is missing, and set it up; return the answers.

        Raises:
            ControlError: An answer does not hold, and no one can be asked.
            OnlyTrying: The demo was chosen.
        """
        self._tell_earlier()
        steps = {
            Question.SOURCE: self._ask_source,
            Question.PLACE: self._ask_place,
            Question.ACCOUNT: self._ask_account,
            Question.DATABASE: self._ask_database,
            Question.SCHEDULE: self._ask_schedule,
        }
        while left := unanswered(self.answers, is_connected=self._is_connected()):
            self._check_can_answer(left[0])
            try:
                steps[left[0]]()
            except (SettingsError, ServerError) as error:
                self._tell(error)
            answers_file.save(self.home, self.answers)
        self.setup.ensure_dataset(self.answers)
        self.setup.schedule(self.answers)
        return self.answers

    def _is_connected(self) -> bool:
        """Return whether no account is left to be connected; a key that was given is not yet."""
        return self.secret is None and self.setup.is_connected(self.answers)

    def _check_can_answer(self, question: Question) -> None:
        """Check that a question can be asked, or is answered in advance.

        Raises:
            SettingsError: It cannot, and is not.
        """
        if self.is_asking:
            return
        missing = self.given.missing(
            self.answers, has_defaults=True, is_connected=question is not Question.ACCOUNT
        )
        if missing:
            raise missing_error(missing)

    def _tell_earlier(self) -> None:
        if self.answers.place is not None:
            where = self.answers.place or "all organizations"
            say(f"Continues with {where} on {self.answers.server}; --restart forgets it.", err=True)

    def _tell(self, error: ControlError) -> None:
        """Say why an answer does not hold, to ask again.

        Raises:
            ControlError: No one can be asked.
        """
        if not self.is_asking:
            raise error
        say(str(error), err=True)

    def _title(self, question: Question, text: str) -> None:
        if self.is_asking:
            say(f"\n{NUMBERS[question]} of {len(Question)}  {text}", err=True)

    def _ask_source(self) -> None:
        self._title(Question.SOURCE, "What do you want to load?")
        titles = {name: each.label for name, each in PRODUCTS.items()} | {DEMO: TRYING}
        for name, title in titles.items():
            say(f"  {name.ljust(10)}{title}", err=True)
        choice = click.Choice(list(titles))
        chosen = click.prompt("Source", type=choice, default="commcare", err=True)
        if chosen == DEMO:
            raise OnlyTrying
        self.answers = replace(self.answers, source=chosen)

    def _ask_place(self) -> None:
        product = self.answers.product
        default_server = self.given.server or self.setup.default_server(self.answers)
        text, self.given = self.given.place, replace(self.given, place=None)
        if text is None and not self.is_asking:
            text = ""
        if text is None:
            question = PLACE_QUESTIONS[product.name].format(server=default_server)
            self._title(Question.PLACE, question)
            default = self.tried or ("" if product.is_place_optional else None)
            title = product.place_title.capitalize()
            text = click.prompt(title, default=default, show_default=bool(default), err=True)
        self.tried = text
        server, place = parse_place(text, product, default_server)
        answers = replace(self.answers, server=server, place=place)
        self.setup.check_place(answers)
        self._check_reachable(answers)
        self.answers = answers

    def _check_reachable(self, answers: Answers) -> None:
        """Check that the server responds, before a key is requested; given again, it is kept.

        Raises:
            ServerUnavailableError: It does not.
        """
        server = answers.server
        if not (self.is_asking and self.is_tested) or server == self.unreachable:
            return
        with waiting(f"Connecting to {server}"):
            why = self.setup.find_connection_error(answers)
        if why:
            self.unreachable = server
            raise ServerUnavailableError(
                f"{server} could not be reached: {why}.",
                "Correct the address, or press Enter to keep it.",
            )

    def _ask_account(self) -> None:
        product = self.answers.product
        if self.secret is None:
            self._title(Question.ACCOUNT, "With which account?")
            tell_account_page(self.setup.source_type(self.answers), self.answers.server)
            say(RIGHTS[product.name], err=True)
            if product.has_oauth and (client_id := self._ask_client_id()):
                self._authorize(client_id)
                return
        is_named = bool(self.given.username or (self.secret and self.answers.username))
        if product.has_username and not is_named:
            name = click.prompt("Username (e-mail)", default=self.answers.username, err=True)
            self.answers = replace(self.answers, username=name.strip())
        if self.secret is None:
            self.secret = click.prompt(product.key_title, hide_input=True, err=True).strip()
        self._test()

    def _test(self) -> None:
        fields = self.answers.product.fields(self.answers.username, self.secret or "")
        try:
            if self.is_tested and self.forbidden != self._place():
                with waiting(f"Testing it at {self.answers.server}") as tell:
                    self.setup.test(self.answers, fields, lambda wait: tell(wait.reason))
        except CredentialRefusedError as error:
            self.secret, self.given = None, replace(self.given, username=None)
            self._tell(CredentialRefusedError(error.cause, "" if self.is_asking else OTHER_KEY))
            self._ask_place_again()
            return
        except ControlError as error:
            # A wrong address and a wrong name look alike; the key is kept for the next try.
            self._tell(type(error)(error.cause, error.remedy if self.is_asking else TRY_AGAIN))
            if isinstance(error, PermissionDeniedError):
                self.forbidden = self._place()
                say(IF_RIGHT, err=True)
            self._ask_place_again()
            return
        self.setup.ensure_dataset(self.answers)
        self.setup.save_account(self.answers, fields)
        self.secret = None
        say(f"Connected; the dataset is {self.setup.path(self.answers)}.", err=True)

    def _ask_place_again(self) -> None:
        """Go back to the address, which Enter keeps: a server may refuse any key elsewhere."""
        self.answers = replace(self.answers, server=None, place=None)

    def _place(self) -> tuple[str | None, str | None]:
        return self.answers.server, self.answers.place

    def _ask_client_id(self) -> str:
        """Return the client id with which to log in in the browser; empty for an access token."""
        known = self.setup.client_id(self.answers)
        text = "OAuth client id (Enter to paste an access token instead)"
        return str(click.prompt(text, default=known or "", show_default=bool(known), err=True))

    def _authorize(self, client_id: str) -> None:
        """Connect in the browser, which is the test as well."""
        secret = click.prompt(
            "Client secret (Enter for a public client)",
            default="",
            show_default=False,
            hide_input=True,
            err=True,
        )
        self.setup.ensure_dataset(self.answers)
        name = self.setup.source_name(self.answers)
        self.setup.set_client(self.answers, client_id, secret or None)
        options = {"port": 0, "scopes": None, "no_browser": self.is_without_browser}
        owner = {"project": self.answers.project_id, "user": None}
        try:
            authorize_in_browser(self.scout, name, owner, options)
        except ControlError as error:
            self._tell(error)
            self._ask_place_again()

    def _ask_database(self) -> None:
        url, self.given = self.given.database_url, replace(self.given, database_url=None)
        if url is None and self.is_asking:
            present = self.setup.describe_database(self.answers)
            self._title(
                Question.DATABASE,
                f"Where do the tables go? Enter for {present},\nor the URL of another Postgres: "
                "postgresql://user:password@host/database",
            )
            url = click.prompt(
                "URL (hidden)", default="", show_default=False, hide_input=True, err=True
            ).strip()
        if url:
            name = self.setup.use_database(self.answers, url)
        else:
            name = self.setup.present_database(self.answers)
        self.answers = replace(self.answers, database=name)

    def _ask_schedule(self) -> None:
        present = str(self.setup.present_interval(self.answers))
        text = present
        if self.is_asking:
            self._title(
                Question.SCHEDULE,
                "Load it now, and what changed every how many hours? no: only set it up",
            )
            text = click.prompt("Hours", default=present, err=True)
        is_loaded_now, hours = parse_schedule(text)
        answers = replace(self.answers, is_loaded_now=is_loaded_now, interval_hours=hours)
        self.setup.schedule(answers)
        self.answers = answers


def missing_error(options: Sequence[str]) -> SettingsError:
    """Return the error for what would have to be asked."""
    return SettingsError(
        "Without a terminal, or with --yes or --json, nothing is asked, and answers are missing.",
        f"Give {'; '.join(options)}.",
    )
