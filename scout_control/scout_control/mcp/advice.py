"""What an agent can do about an error: remedies name commands of a shell, which it may not have."""

from __future__ import annotations

import re

NAME = r"(?P<name>'[^']*'|[^\s;.]+)"
PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(f"scout {words}"), replacement)
    for words, replacement in (
        (rf"run {NAME}", r"run_materialization with the dataset \g<name>"),
        (rf"describe {NAME} --tables", r"list_tables with the dataset \g<name>"),
        (
            rf"describe {NAME} --table (?P<table>'[^']*'|[^\s;]+)",
            r"describe_table with the dataset \g<name> and the table \g<table>",
        ),
        (rf"describe {NAME}", r"list_tables with the dataset \g<name>"),
        (r"(?:datasets|projects) list\b", "list_datasets"),
        (r"runs list\b", "get_schema_status, which has the run of a dataset"),
        (rf"runs (?:show|logs) {NAME}", r"get_materialization_status with \g<name>"),
    )
)
NO_OPTION = (", or raise --timeout", "")
COMMAND = re.compile(r"\bscout [a-z]")
FOR_A_PERSON = " A person has to run the command; you cannot."


def for_agents(remedy: str) -> str:
    """Return a remedy with tools in place of commands; what has no tool is for a person."""
    remedy = remedy.replace(*NO_OPTION)
    for pattern, replacement in PHRASES:
        remedy = pattern.sub(replacement, remedy)
    return f"{remedy}{FOR_A_PERSON}" if COMMAND.search(remedy) else remedy
