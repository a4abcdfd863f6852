"""``/api/datasources/people/`` and ``tokens/``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from scout_control.api.people_views import NewToken, Person, Token
from scout_control.rules import access_tokens
from scout_control.serve.conditions import Conditional, tagged
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    TEXT,
    After,
    Body,
    Key,
    Limit,
    Name,
    PageOf,
    Text,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources", tags=["people"])
RESETTABLE = {"name", "email", "roles", "issuer", "subject"}
Roles = Annotated[list[Literal["operator", "manage_database_connections"]], Field(max_length=10)]
Email = Annotated[str, Field(max_length=320)]


class PersonFields(Body):
    """What is known of a person."""

    name: Name | None = None
    email: Email | None = None
    issuer: Text | None = Field(
        default=None, description="The OpenID Connect provider, with `subject`."
    )
    subject: Text | None = None


class NewPerson(PersonFields):
    """A person to add; data of the user with this id is theirs."""

    id: Name
    roles: Roles = Field(default=[])


class PersonChange(PersonFields):
    """What changes of a person; null resets, what is left out stays."""

    roles: Roles | None = None
    is_active: bool | None = None


class TokenRequest(Body):
    """A token to make for yourself."""

    name: Annotated[str, Field(max_length=TEXT)] = ""
    scope: Literal["read", "write"] = "write"
    expires: Name = Field(default=access_tokens.DEFAULT_EXPIRY, examples=["90d", "never"])


@router.get("/people/", **offered("people.list"))
def list_people(
    access: SignedIn, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Person]:
    """List the people that you may see: yourself, and as an operator all."""
    return page_of(access.people.list(after=after, limit=limit))


@router.post("/people/", status_code=201, **offered("people.add", changes=True))
def add_person(access: SignedIn, body: NewPerson, response: Response) -> Person:
    """Add a person."""
    values: dict[str, Any] = body.model_dump(exclude={"id"})
    return tagged(response, access.people.add(body.id, **values))


@router.get("/people/me/", **offered("people.show", name="people.me"))
def show_me(access: SignedIn, response: Response) -> Person:
    """Show who you are, with your roles and projects."""
    return tagged(response, access.people.me())


@router.get("/people/{person}/", **offered("people.show"))
def show_person(access: SignedIn, person: Key, response: Response) -> Person:
    """Show a person."""
    return tagged(response, access.people.show(person))


@router.patch("/people/{person}/", **offered("people.update", changes=True))
def update_person(
    access: SignedIn, person: Key, body: PersonChange, condition: Conditional, response: Response
) -> Person:
    """Change a person. With `is_active` false, they and their tokens are let in no longer."""
    values: dict[str, Any] = {n: v for n, v in body.model_dump().items() if v is not None}
    reset = [n for n in body.model_fields_set & RESETTABLE if getattr(body, n) is None]
    with condition.holding(access, "people.update", access.people.show, person):
        return tagged(response, access.people.update(person, **values, unset=reset))


@router.delete("/people/{person}/", status_code=204, **offered("people.remove", changes=True))
def remove_person(access: SignedIn, person: Key, condition: Conditional) -> None:
    """Remove a person without data, with their memberships and tokens."""
    with condition.holding(access, "people.remove", access.people.show, person):
        access.people.remove(person)


@router.get("/tokens/", **offered("tokens.list"))
def list_tokens(
    access: SignedIn,
    person: Annotated[str | None, Query(max_length=TEXT, description="You by default: me.")] = None,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
) -> PageOf[Token]:
    """List tokens, the newest first; never the tokens themselves."""
    return page_of(
        access.tokens.list(person=access.identity.known_as(person), after=after, limit=limit)
    )


@router.post("/tokens/", status_code=201, **offered("tokens.create", changes=True))
def create_token(access: SignedIn, body: TokenRequest) -> NewToken:
    """Make a token for yourself, which is shown once. Needs a sign-in: no token makes tokens."""
    return access.tokens.create(name=body.name, scope=body.scope, expires=body.expires)


@router.delete("/tokens/{token}/", **offered("tokens.revoke", changes=True))
def revoke_token(access: SignedIn, token: Key) -> Token:
    """End a token at once, by its id."""
    return access.tokens.revoke(token)
