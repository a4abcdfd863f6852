"""Parameters of an address that an endpoint does not have: a filter with a slip of the hand.

Ignored, such a filter would return what it was to leave out, and no one would notice.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from scout_control.errors import SettingsError
from scout_control.rules.suggestions import advice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_NAMED, LONGEST_NAME = 5, 50
SENT_BY_OTHERS = "x-parameters-of-others"
"""The mark of a route to which a browser is sent with parameters that are not ours to choose."""


def check_query(request: Request) -> None:
    """Refuse parameters that the endpoint of a request does not have, or that are sent twice.

    Raises:
        SettingsError: There are such ones.
    """
    route = request.scope.get("route")
    if isinstance(route, APIRoute) and SENT_BY_OTHERS not in (route.openapi_extra or {}):
        check_names(
            [name for name, _ in request.query_params.multi_items()], names_of(route.dependant)
        )


def check_names(sent: Sequence[str], known: Iterable[str]) -> None:
    """Refuse names of parameters that are unknown, or sent twice.

    Raises:
        SettingsError: There are such ones.
    """
    choices = sorted(known)
    if unknown := sorted(set(sent).difference(choices)):
        shown = [each[:LONGEST_NAME] for each in unknown[:MOST_NAMED]]
        remedy = advice(shown, choices, "The parameters are") if choices else "Send none."
        raise SettingsError(f"There is no parameter {', '.join(map(repr, shown))} here.", remedy)
    if twice := [name for name, count in Counter(sent).items() if count > 1]:
        raise SettingsError(f"The parameter {twice[0]} was sent more than once.", "Send it once.")


def is_json(kind: str) -> bool:
    """Return whether a body of this type is JSON."""
    kind = kind.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def check_document(body: bytes) -> None:
    """Refuse a document that names something twice: readers differ in which one they take.

    What is no JSON at all, the framework refuses.

    Raises:
        SettingsError: A name occurs twice in one object.
    """
    with suppress(ValueError, RecursionError):
        json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = Counter(name for name, _ in pairs)
    if twice := [name for name, count in names.items() if count > 1]:
        cause = f"The field {twice[0][:LONGEST_NAME]!r} was sent more than once."
        raise SettingsError(cause, "Send it once.")
    return dict(pairs)


def names_of(dependant: Dependant) -> Iterator[str]:
    """Yield the parameters that an endpoint takes from the address, and its dependencies."""
    yield from (each.alias for each in dependant.query_params)
    for each in dependant.dependencies:
        yield from names_of(each)
