"""A request of a browser: who is signed in, and the form that was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from scout_control.access import sign_in
from scout_control.access.access import Access
from scout_control.rules.own_pages import SAFE_METHODS
from scout_control.rules.sessions import form_token
from scout_control.serve import cookies
from scout_control.serve.sign_in import TOKEN_FIELD, TOKEN_HEADER, check_form, scout_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.access.grants import Grants

FORM_TYPE = "application/x-www-form-urlencoded"
LARGEST_FORM, MOST_FIELDS = 1 << 17, 100
Form = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A person who is signed in with a browser, and what they sent."""

    access: Access
    secret: str = field(repr=False)
    """The value of the cookie of the session."""
    session: str
    """The id of the session."""
    form: Form = field(repr=False)

    @property
    def csrf_token(self) -> str:
        """What the forms of this person carry."""
        return form_token(self.secret)

    @cached_property
    def grants(self) -> Grants:
        """What the person may do, read once for a page."""
        return self.access.grants()

    def may(self, operation: str, row: Mapping[str, Any]) -> bool:
        """Return whether something may be done with what a project or a user owns."""
        return self.grants.may(operation, project=row["project"], user=row["user"])

    @property
    def is_operator(self) -> bool:
        """Whether the page of operators is for them."""
        return self.grants.may("would_expire")

    @property
    def person(self) -> str:
        """The id of the person."""
        return self.access.identity.person


async def read_form(request: Request) -> Form:
    """Return the fields of a form; none for a request that changes nothing.

    Raises:
        HTTPException: It is too large, or not a form.
    """
    if request.method in SAFE_METHODS:
        return {}
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413)
    kind = request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise HTTPException(415)
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, strict_parsing=False
        )
    except ValueError:
        raise HTTPException(400) from None
    return dict(pairs)


PostedForm = Annotated[Form, Depends(read_form)]


def _visit(request: Request, form: PostedForm) -> Visit:
    """Return who visits.

    Raises:
        NotSignedInError: There is no session, or it has ended.
        ForbiddenError: What was sent is not our own form.
    """
    secret = cookies.get(request, cookies.SESSION)
    if secret is None:
        raise sign_in.ended()
    scout = scout_of(request)
    session = sign_in.resume(scout.installation, secret)
    if request.method not in SAFE_METHODS:
        sent = form.get(TOKEN_FIELD) or request.headers.get(TOKEN_HEADER, "")
        check_form(request, secret, sent)
    request.state.person = session.identity.person
    return Visit(
        access=Access(scout, session.identity), secret=secret, session=session.id, form=form
    )


Visitor = Annotated[Visit, Depends(_visit)]
"""The parameter of every page that needs someone to be signed in."""
