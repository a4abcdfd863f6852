"""Why a model failed, in one line that quotes no value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg2

FAILED = frozenset({"error", "fail", "runtime error"})
HEADING = re.compile(r"^(?:Database|Compilation|Runtime|Parsing) Error\b.*$")
# Postgres names things and quotes values alike; only what follows a word for a thing is a name.
QUOTED = re.compile(
    r"(?<!relation )(?<!column )(?<!schema )(?<!table )(?<!view )(?<!model )(?<!type )"
    r"(?<!constraint )(?<!role )(?<!index )(?<!database )\"[^\"]*\""
)


def lines(what: str, why: str, where: str = "") -> list[str]:
    """Return the lines by which whoever runs us learns what failed and why."""
    return [f"Failure in {what}{where}", f"Reason of {what}: {why}"]


def of_postgres(error: psycopg2.Error) -> str:
    """Say what Postgres refused before dbt was started, without its words."""
    kind = f"{type(error).__name__}, SQLSTATE {error.pgcode or 'none'}"
    return (
        f"The models could not be generated: Postgres refused ({kind}). "
        "The loaded data is as it was. Look into the server's log, then run again."
    )


def of_node(unique_id: str, message: str | None) -> str:
    """Say in one line why a model or test failed."""
    kind, _, name = unique_id.partition(".")
    return f"Reason of {kind} {name.split('.')[1]}: {reason(message or '')}"


def reason(message: str) -> str:
    """Return the first line of a message that says something, without values."""
    for line in message.splitlines():
        text = line.strip()
        if text and not HEADING.match(text):
            return QUOTED.sub('"..."', text)
    return "dbt does not say why"
