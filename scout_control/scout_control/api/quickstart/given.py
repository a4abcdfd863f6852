"""What options and the environment answer in advance, and what is still missing then. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from scout_control.api.quickstart.answers import Answers, Question, unanswered

OPTIONS = {
    Question.SOURCE: "--source commcare or --source connect",
    Question.DATABASE: "--database-url-from-env VARIABLE, or --yes for the installation's own",
    Question.SCHEDULE: "--interval-hours N or --no-load, or --yes to load now and every 24 hours",
}
OPTIONS_OF_PLACE = {
    None: "--domain NAME or --organization NAME",
    "commcare": "--domain NAME",
    "connect": "--organization NAME ('' for all)",
}
OPTIONS_OF_ACCOUNT = {
    None: "--api-key-file FILE",
    "commcare": "--username E-MAIL and --api-key-file FILE",
    "connect": "--api-key-file FILE with an access token",
}
HAVE_DEFAULTS = frozenset({Question.DATABASE, Question.SCHEDULE})


@dataclass(frozen=True, kw_only=True)
class Given:
    """Answers that were given in advance; None is what was not."""

    source: str | None = None
    place: str | None = None
    """A name or an address, as it was given."""
    server: str | None = None
    username: str | None = None
    project: str | None = None
    interval_hours: int | None = None
    is_loaded_now: bool | None = None
    secret: str | None = field(default=None, repr=False)
    database_url: str | None = field(default=None, repr=False)

    def over(self, earlier: Answers) -> Answers:
        """Return earlier answers with what is given in their place.

        A place and a database are left to be answered: they must be understood and tested first.
        """
        if self.source is not None and self.source != earlier.source:
            earlier = Answers(source=self.source)
        if self.place is not None or self.server is not None:
            earlier = replace(earlier, place=None, server=None)
        if self.database_url is not None:
            earlier = replace(earlier, database=None)
        is_loaded_now, hours = self._schedule(earlier)
        return replace(
            earlier,
            username=self.username or earlier.username,
            project=self.project or earlier.project,
            is_loaded_now=is_loaded_now,
            interval_hours=hours,
        )

    def _schedule(self, earlier: Answers) -> tuple[bool | None, int | None]:
        """Return the answer to the last question; one option is enough for it."""
        if self.is_loaded_now is None and self.interval_hours is None:
            return earlier.is_loaded_now, earlier.interval_hours
        hours = self.interval_hours or earlier.interval_hours
        return self.is_loaded_now is not False, hours

    def missing(self, answers: Answers, *, has_defaults: bool, is_connected: bool) -> list[str]:
        """Return the options that must be given where nothing can be asked.

        Args:
            answers: Those of an earlier start, with what is given.
            has_defaults: Whether the questions that have a default are answered by it.
            is_connected: Whether the account is connected, or may be.
        """
        is_known = self.secret is not None and bool(answers.username or answers.source == "connect")
        left = set(unanswered(answers, is_connected=is_connected or is_known))
        if self.place is not None:
            left.discard(Question.PLACE)
        if self.database_url is not None:
            left.discard(Question.DATABASE)
        if has_defaults:
            left -= HAVE_DEFAULTS
            if answers.source is not None and answers.product.is_place_optional:
                left.discard(Question.PLACE)
        options = {
            **OPTIONS,
            Question.PLACE: OPTIONS_OF_PLACE[answers.source],
            Question.ACCOUNT: OPTIONS_OF_ACCOUNT[answers.source],
        }
        return [options[question] for question in Question if question in left]
