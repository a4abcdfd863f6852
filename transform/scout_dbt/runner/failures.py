"""The reason why a model failed, in one line that quotes no value.

Messages of Postgres quote values of records, and the reasons go into logs and the store of control.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg2

FAILED = frozenset({"error", "fail", "runtime error"})
HEADING = re.compile(r"^(?:Database|Compilation|Runtime|Parsing) Error\b.*$")
# Postgres quotes names and values alike; a name follows a word for what it names.
QUOTED = re.compile(
    r"(?<!relation )(?<!column )(?<!schema )(?<!table )(?<!view )(?<!model )(?<!type )"
    r"(?<!constraint )(?<!role )(?<!index )(?<!database )\"[^\"]*\""
)


def lines(subject: str, reason: str, location: str = "") -> list[str]:
    """Return the two lines that report a failure; scout_control reads them from the output."""
    return [f"Failure in {subject}{location}", f"Reason of {subject}: {reason}"]


def of_postgres(error: psycopg2.Error) -> str:
    """Return the reason when Postgres refused a statement before or after dbt."""
    kind = f"{type(error).__name__}, SQLSTATE {error.pgcode or 'none'}"
    return (
        f"The models could not be generated: Postgres refused ({kind}). "
        "The loaded data is unchanged. Look into the server's log, then run again."
    )


def of_node(unique_id: str, message: str | None) -> str:
    """Return the line that reports a failed model or test, by its id in dbt's manifest."""
    kind, _, name = unique_id.partition(".")
    return f"Reason of {kind} {name.split('.')[1]}: {reason(message or '')}"


def reason(message: str) -> str:
    """Return the first informative line of a message of dbt, with quoted values removed."""
    for line in message.splitlines():
        text = line.strip()
        if text and not HEADING.match(text):
            return QUOTED.sub('"..."', text)
    return "dbt gives no reason"
