"""``/api/datasources/connections/``: databases; a user and a password are written, never read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field

from scout_control.api.connections import RESETTABLE as ALL_RESETTABLE
from scout_control.api.views import Connection
from scout_control.serve.conditions import Conditional, tagged
from scout_control.serve.documents import (
    DEFAULT_LIMIT,
    After,
    Body,
    Done,
    Key,
    Limit,
    Name,
    PageOf,
    Secret,
    Settings,
    Text,
    page_of,
)
from scout_control.serve.operations import offered
from scout_control.serve.pools import Slowly
from scout_control.serve.sign_in import SignedIn

router = APIRouter(prefix="/api/datasources/connections", tags=["connections"])
PARTS = ("host", "port", "database", "user", "password", "sslmode", "parameters")
RESETTABLE = {"description", "sslmode", "port", "database"}
PARAMETERS = sorted({*ALL_RESETTABLE} - RESETTABLE)


class Address(Body):
    """Where a database is: its URL, or the parts of it."""

    url: Secret | None = Field(
        default=None, description="postgresql://user:password@host:port/database"
    )
    host: Name | None = None
    port: int | None = Field(default=None, ge=1, le=65_535, description="5432 by default.")
    database: Name | None = Field(default=None, description="Named like the user by default.")
    user: Secret | None = None
    password: Secret | None = None
    sslmode: Name | None = None
    parameters: Settings | None = Field(
        None, description="Other parameters of libpq, such as `sslrootcert`; null removes one."
    )
    test: bool = Field(default=True, description="Log in before it is stored.")

    def parts(self) -> dict[str, Any] | None:
        """Return the parts that are given; None without any."""
        found = {name: getattr(self, name) for name in PARTS}
        return {name: value for name, value in found.items() if value is not None} or None


class NewConnection(Address):
    """A connection to add: ``url``, or ``host``, ``user`` and ``password``."""

    name: Name
    description: Text = ""


class ConnectionChange(Address):
    """What changes of a connection; null resets what has a default, what is left out stays."""

    description: Text | None = None


@router.get("/", **offered("connections.list"))
def list_connections(
    access: SignedIn, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> PageOf[Connection]:
    """List the databases that hold dataset schemas."""
    return page_of(access.connections.list(after=after, limit=limit))


@router.post("/", status_code=201, **offered("connections.add", changes=True))
async def add_connection(
    access: SignedIn, body: NewConnection, slow: Slowly, response: Response
) -> Connection:
    """Add a database, after a test login unless `test` is false."""
    added = await slow.run(
        lambda: access.connections.add(
            body.name,
            body.url,
            parts=body.parts(),
            description=body.description,
            test=body.test,
        )
    )
    return tagged(response, added)


@router.get("/{connection}/", **offered("connections.show"))
def show_connection(access: SignedIn, connection: Key, response: Response) -> Connection:
    """Show a connection, by its name or id; without its user and password."""
    return tagged(response, access.connections.show(connection))


@router.patch("/{connection}/", **offered("connections.update", changes=True))
async def update_connection(
    access: SignedIn,
    connection: Key,
    body: ConnectionChange,
    condition: Conditional,
    slow: Slowly,
    response: Response,
) -> Connection:
    """Change a connection, after a test login unless `test` is false.

    A change of host, port, user or files of TLS, or a lower sslmode, needs the password, too.
    """
    reset = [n for n in body.model_fields_set & RESETTABLE if getattr(body, n) is None]
    if "parameters" in body.model_fields_set and body.parameters is None:
        reset += PARAMETERS

    def change() -> Connection:
        show = access.connections.show
        with condition.holding(access, "connections.update", show, connection) as shown:
            return access.connections.update(
                shown.id,
                url=body.url,
                parts=body.parts(),
                description=body.description,
                test=body.test,
                unset=reset,
            )

    return tagged(response, await slow.run(change))


@router.delete("/{connection}/", status_code=204, **offered("connections.remove", changes=True))
def remove_connection(access: SignedIn, connection: Key, condition: Conditional) -> None:
    """Remove a connection that no project uses."""
    show = access.connections.show
    with condition.holding(access, "connections.remove", show, connection) as shown:
        access.connections.remove(shown.id)


@router.post("/{connection}/test/", **offered("connections.test", changes=True))
async def test_connection(access: SignedIn, connection: Key, slow: Slowly) -> Done:
    """Test a connection by logging in."""
    await slow.run(lambda: access.connections.test(connection))
    return Done()
