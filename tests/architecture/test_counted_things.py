"""Messages count with a helper: "1 rows" is the mark of a program that no one reads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "scout_control/scout_control",
    "tap-common/tap_common",
    "tap-commcare/tap_commcare",
    "tap-commcare-connect/tap_commcare_connect",
    "target-scout-postgres/target_scout_postgres",
    "transform/scout_dbt",
    "commcare-sandbox/commcare_sandbox",
)
NOUNS = (
    *("row", "record", "dataset", "source", "credential", "run", "stream", "object", "link"),
    *("project", "connection", "event", "request", "page", "file", "secret", "user", "role"),
    *("schema", "mistake", "change", "other", "form", "case", "domain", "account", "column"),
)
ONE_OF = "|".join(NOUNS)
COUNTED = re.compile(rf" (?:(?:{ONE_OF})(?:s|\(s\))|properties)(?!\w)")


def uncounted(code: str) -> list[int]:
    """Return the lines of f-strings in which a number is followed by a plural noun."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.JoinedStr):
            for part, text in zip(node.values, node.values[1:], strict=False):
                if _is_number(part) and isinstance(text, ast.Constant):
                    found += [node.lineno] if COUNTED.match(str(text.value)) else []
    return found


def _is_number(part: ast.expr) -> bool:
    """Return whether a part of an f-string may be a number; constants are more than one."""
    if not isinstance(part, ast.FormattedValue):
        return False
    value = ast.unparse(part.value)
    if isinstance(part.value, ast.Call):
        return value.startswith(("len(", "sum("))
    return not value.rpartition(".")[2].replace("_", "").isupper()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_message_counts_by_itself(package):
    places = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in uncounted(path.read_text())
    ]

    assert places == []


def test_the_check_finds_what_it_should():
    assert uncounted('f"{n} rows"') == [1]
    assert uncounted('f"{n:,} rows in"') == [1]
    assert uncounted('f"{len(a)} datasets."') == [1]
    assert uncounted('f"{len(a)} datasets are"') == [1]
    assert uncounted('f"{n} project(s)"') == [1]
    assert uncounted('f"{MOST} rows"') == []
    assert uncounted("f\"{counted(n, 'row')}\"") == []
    assert uncounted('f"{name} rows_of"') == []
