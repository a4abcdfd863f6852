"""``ETag`` and ``If-Match``: a change that is based on an outdated representation is refused."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Depends, Header

from scout_control.errors import OutdatedError
from scout_control.rules import entity_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import Response

    from scout_control.access.access import Access
    from scout_control.api.view import View

Shown = TypeVar("Shown", bound="View")
LONGEST = 2_000


def tagged(response: Response, view: Shown) -> Shown:
    """Return a view, with its tag in the headers of the response."""
    response.headers["ETag"] = entity_tags.entity_tag(view.as_dict())
    return view


class Condition:
    """The condition of a request that changes something."""

    def __init__(
        self,
        if_match: Annotated[
            str | None,
            Header(
                max_length=LONGEST,
                description="Change it only if its `ETag` is (one of) this.",
            ),
        ] = None,
    ) -> None:
        self._tags = if_match

    @contextmanager
    def holding(
        self, access: Access, operation: str, show: Callable[..., Shown], *names: str
    ) -> Iterator[Shown]:
        """Change something that has not changed meanwhile; other requests wait. Yields its view.

        Raises:
            NotFoundError: It does not exist.
            ForbiddenError: The sign-in does not reach this far.
            OutdatedError: It has changed.
        """
        identity = getattr(show(*names), "id", "/".join(names))
        with access.changing(operation, identity):
            shown = show(*names)
            tag = entity_tags.entity_tag(shown.as_dict())
            if self._tags is not None and not entity_tags.fits(self._tags, tag):
                raise OutdatedError(
                    "It has changed since it was read.",
                    "Read it again, and repeat the change with its present ETag.",
                )
            yield shown


Conditional = Annotated[Condition, Depends()]
