"""The questions of the quickstart, and how their answers are understood. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from scout_control.errors import SettingsError
from scout_control.rules import identifiers
from scout_control.rules.credential_kinds import FIELDS_BY_KIND

if TYPE_CHECKING:
    from scout_control.api.views import Source

DEMO = "demo"
YES, NO = frozenset({"", "y", "yes", "now"}), frozenset({"n", "no", "not", "later"})
NUMBER_OF_HOURS = re.compile(r"(\d{1,6})\s*(?:h|hours?)?")
NAME_IN_PATH = re.compile(r"^(?P<base>.*?)/a/(?P<name>[^/]+)(?:/.*)?$")
LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?")


class Question(StrEnum):
    """The questions, in the order in which they are asked."""

    SOURCE = "source"
    PLACE = "place"
    ACCOUNT = "account"
    DATABASE = "database"
    SCHEDULE = "schedule"


@dataclass(frozen=True, kw_only=True)
class Product:
    """What can be read, and what its parts are called."""

    name: str
    label: str
    source_type: str
    source_name: str
    place_setting: str
    place_title: str
    is_place_list: bool = False
    is_place_optional: bool = False
    credential_kind: str
    key_title: str
    has_username: bool = False
    has_oauth: bool = False

    def fields(self, username: str | None, secret: str) -> dict[str, str]:
        """Return the fields of a credential."""
        public, (name, *_) = FIELDS_BY_KIND[self.credential_kind]
        return {**dict.fromkeys(public, username or ""), name: secret}

    def config(self, place: str) -> dict[str, Any]:
        """Return the settings of a link that reads one place, or all of them."""
        if not place:
            return {}
        return {self.place_setting: [place] if self.is_place_list else place}


PRODUCTS = {
    each.name: each
    for each in (
        Product(
            name="commcare",
            label="CommCare HQ",
            source_type="tap-commcare",
            source_name="hq",
            place_setting="domain",
            place_title="project space",
            credential_kind="api_key",
            key_title="API key (hidden)",
            has_username=True,
        ),
        Product(
            name="connect",
            label="CommCare Connect",
            source_type="tap-commcare-connect",
            source_name="connect",
            place_setting="organization_slugs",
            place_title="organization",
            is_place_list=True,
            is_place_optional=True,
            credential_kind="token",
            key_title="Access token (hidden)",
            has_oauth=True,
        ),
    )
}

PLACE_SETTINGS = ("domains", *(each.place_setting for each in PRODUCTS.values()))


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What is known so far, without secrets; None is what has not been answered."""

    source: str | None = None
    server: str | None = None
    place: str | None = None
    username: str | None = None
    project: str | None = None
    database: str | None = None
    interval_hours: int | None = None
    is_loaded_now: bool | None = None

    @property
    def product(self) -> Product:
        """The product that was chosen."""
        return PRODUCTS[str(self.source)]

    @property
    def project_id(self) -> str:
        """The id of the project: as given, else named like the place."""
        if self.project:
            return self.project
        name = (self.place or "").strip("-. ")
        is_bad = not name or identifiers.find_error(name, "The id of a project", is_id=True)
        return self.product.source_name if is_bad else name

    def as_dict(self) -> dict[str, Any]:
        """Return what is known."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def of(cls, document: object) -> Self:
        """Return the answers in a document; what is not an answer is left out."""
        if not isinstance(document, Mapping) or document.get("source") not in list(PRODUCTS):
            return cls()
        kinds: dict[str, type] = {"interval_hours": int, "is_loaded_now": bool}
        names = (each.name for each in fields(cls))
        return cls(
            **{
                name: document[name]
                for name in names
                if type(document.get(name)) is kinds.get(name, str)
            }
        )


def unanswered(answers: Answers, *, is_connected: bool) -> tuple[Question, ...]:
    """Return the questions that are left."""
    is_answered = {
        Question.SOURCE: answers.source is not None,
        Question.PLACE: answers.server is not None and answers.place is not None,
        Question.ACCOUNT: is_connected,
        Question.DATABASE: answers.database is not None,
        Question.SCHEDULE: answers.is_loaded_now is not None,
    }
    return tuple(question for question in Question if not is_answered[question])


def parse_place(text: str, product: Product, default_server: str) -> tuple[str, str]:
    """Return the server and the name that an address or a name stands for.

    Args:
        text: A name such as ``river-health``, or any address of a page of it, as in the browser.
        product: What is read.
        default_server: The server of a name.

    Raises:
        SettingsError: It is neither.
    """
    text = text.strip()
    if not _is_address(text):
        if not text and not product.is_place_optional:
            raise SettingsError(f"The {product.place_title} is missing.", _expected(product))
        return default_server, text
    server, name = _split_address(text)
    if not name and not product.is_place_optional:
        raise SettingsError(f"This address names no {product.place_title}.", _expected(product))
    return server, name


def _is_address(text: str) -> bool:
    return "/" in text or "://" in text or bool(LOOPBACK.fullmatch(text))


def _split_address(text: str) -> tuple[str, str]:
    """Return the server of an address, and the name in it, which may be empty."""
    if "://" not in text:
        host = text.partition("/")[0]
        text = f"{'http' if LOOPBACK.fullmatch(host) else 'https'}://{text}"
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname)
    except ValueError:  # half an IPv6 address
        parts, has_host = urlsplit(""), False
    if not has_host:
        raise SettingsError("This is not an address of a server.", "Copy it from the browser.")
    found = NAME_IN_PATH.match(parts.path)
    base, name = (found["base"], unquote(found["name"])) if found else ("", "")
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{base}", name


def _expected(product: Product) -> str:
    return (
        f"Give its name, or its address as in the browser: https://SERVER/a/NAME/, where NAME is "
        f"the {product.place_title}."
    )


def parse_schedule(text: str) -> tuple[bool, int | None]:
    """Return whether to load now, and the hours between scheduled runs; None as they are.

    Raises:
        SettingsError: It is neither yes, no, nor a number of hours.
    """
    word = text.strip().lower()
    if word in YES:
        return True, None
    if word in NO:
        return False, None
    if found := NUMBER_OF_HOURS.fullmatch(word):
        return True, int(found[1])
    raise SettingsError(
        f"{text.strip()!r} is not a number of hours.",
        "Answer yes, no, or the hours between two runs, such as 6.",
    )


def choose_source(
    existing: Sequence[Source], answers: Answers, default_server: str
) -> tuple[str, bool]:
    """Return the name of the source that reads a server, and whether it exists.

    A source that is limited to other places is not the one.
    """
    product, server = answers.product, str(answers.server)
    wanted = product.config(answers.place or "")
    for each in existing:
        is_same = _same_server(each.base_url or default_server, server)
        if (
            each.source_type == product.source_type
            and is_same
            and places(each.config) in ({}, wanted)
        ):
            return each.name, True
    taken = {each.name for each in existing}
    names = _free_names(product.source_name, server, default_server, len(taken))
    return next(name for name in names if name not in taken), False


def _free_names(base: str, server: str, default_server: str, count: int) -> Iterator[str]:
    """Yield names for a source, more than are taken: after a server that is not the usual one."""
    yield base
    host = (urlsplit(server).hostname or "").removeprefix("www.").partition(".")[0]
    if host and not host.isdigit() and not _same_server(server, default_server):
        yield f"{base}-{host}"
    yield from (f"{base}-{number}" for number in range(2, count + 3))


def places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that limit what is read to some places."""
    return {name: config[name] for name in PLACE_SETTINGS if config.get(name)}


def _same_server(one: str, other: str) -> bool:
    return one.rstrip("/").lower() == other.rstrip("/").lower()
