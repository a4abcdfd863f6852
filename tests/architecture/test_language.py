"""The glossary of CONTRIBUTING.md holds: no retired name, and no phrase that it replaces.

The tables "Say / Instead of" are the only list. Entries in backticks are names: modules, classes,
functions, arguments, attributes and variables must not contain them. The others are phrases:
docstrings, comments, messages, documents, SQL and configuration files must not. A single exception
goes into `EXCEPT`, with its reason.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOLDS_IN = (
    *("scout-sync", "tap-common", "tap-commcare", "tap-commcare-connect", "target-scout-postgres"),
    *("scout_control", "transform", "commcare-sandbox", "benchmarks", "tools", "docs"),
    "examples",
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *("tests", "meltano.yml", "Makefile", "pyproject.toml"),
)
THIS = "tests/architecture/test_language.py"
# An entry of the glossary, and the paths below which it may be used.
EXCEPT: dict[str, tuple[str, ...]] = {
    # The account of that name.
    "nobody": ("scout_control/scout_control/installation/embedded_postgres",),
    # An audit action, which is public.
    "asked for": ("scout_control/scout_control/api/runs.py", "tests/security/test_audit.py", THIS),
    # Jinja's spelling.
    "is none": ("transform/macros", THIS),
}
CHECKED = {".py", ".md", ".yml", ".toml", ".sql"}
TABLES = re.compile(r"\| Say \| Instead of \|\n\|[-|]+\|\n((?:\|.*\|\n?)+)")


@dataclass(frozen=True)
class Entry:
    """One word or phrase that is not used, and what is said instead."""

    banned: str
    say: str
    is_name: bool

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the phrase over line breaks, also at the beginning of a sentence.

        Not in any case: `is None` is Python.
        """
        words = r"\s+".join(map(re.escape, self.banned.split()))
        first = f"[{words[0].upper()}{words[0].lower()}]"
        return re.compile(rf"(?<![\w-]){first}{words[1:]}(?![\w-])")

    def is_in_name(self, name: str) -> bool:
        """Return whether a name has the banned words; a class's name bans no function's."""
        if self.banned[0].isupper() and not name.lstrip("_")[:1].isupper():
            return False
        banned, words = words_of(self.banned), words_of(name)
        return any(
            words[at : at + len(banned)] == banned for at in range(len(words) - len(banned) + 1)
        )


@cache
def words_of(name: str) -> list[str]:
    """Return the words of an identifier: of snake_case or CamelCase, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def glossary() -> list[Entry]:
    """Return the rows of the tables "Say / Instead of" of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    tables = TABLES.findall(text)
    rows = [line.strip("| ").split(" | ") for table in tables for line in table.splitlines()]
    return [
        Entry(each.strip("`"), say, is_name=each.startswith("`"))
        for say, instead in rows
        for each in instead.split(", ")
    ]


GLOSSARY = glossary()


def files(place: str) -> list[Path]:
    path = ROOT / place
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    return [
        each
        for each in found
        if (each.suffix in CHECKED or each.name == "Makefile")
        and not any(part.startswith(".") for part in each.relative_to(ROOT).parts)
    ]


def names_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Return every name that a module defines or binds, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()) | ast.Name(ctx=ast.Del()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


def sentences_of(text: str) -> Iterator[tuple[int, str]]:
    """Return comments, and strings of several words, with their lines.

    A string without a space is a value, such as the name of an account.
    """
    comments: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, comment = token.start[0], token.string.lstrip("# ")
            if comments and comments[-1][0] + comments[-1][1].count("\n") == line - 1:
                first, before = comments.pop()
                line, comment = first, f"{before}\n{comment}"
            comments.append((line, comment))
    yield from comments
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def _blank(code: re.Match[str]) -> str:
    return "`" + "\n" * code[0].count("\n") + "`"


def faults_in(path: Path) -> Iterator[str]:
    """Return what a file says that the glossary replaces: place, entry, and what to say."""
    place = str(path.relative_to(ROOT))
    text = path.read_text()
    entries = [each for each in GLOSSARY if not place.startswith(EXCEPT.get(each.banned, ("//",)))]
    names: list[tuple[int, str]] = []
    if path.suffix == ".py":
        names = [(1, path.stem), *names_of(ast.parse(text))]
        sentences = list(sentences_of(text))
    else:
        prose = TABLES.sub(_blank, text)
        sentences = [(1, re.sub(r"```.*?```|`[^`\n]*`", _blank, prose, flags=re.DOTALL))]
    for entry in entries:
        said = f"{entry.banned!r}, say {entry.say!r}"
        if entry.is_name:
            yield from (f"{place}:{line} {said}" for line, n in names if entry.is_in_name(n))
            continue
        for line, sentence in sentences:
            for match in entry.pattern.finditer(sentence):
                yield f"{place}:{line + sentence[: match.start()].count(chr(10))} {said}"


@pytest.mark.parametrize("place", HOLDS_IN)
def test_a_folder_speaks_the_language_of_the_glossary(place):
    assert [fault for path in files(place) for fault in faults_in(path)] == []


def test_every_file_is_in_a_folder_that_is_listed():
    known = {ROOT / place for place in HOLDS_IN}

    assert [place for place in HOLDS_IN if not files(place)] == []
    for path in files("."):
        assert known & {path, *path.parents}, f"list {path} in HOLDS_IN"


def test_the_glossary_is_read():
    assert len(GLOSSARY) > 50
    assert all(entry.banned and entry.say for entry in GLOSSARY)
    assert {entry.is_name for entry in GLOSSARY} == {True, False}


@pytest.mark.parametrize(
    ("banned", "name", "is_in_it"),
    [
        ("leash", "leash", True),
        ("leash", "_Leash", True),
        ("leash", "leashed", False),
        ("hand_back", "hand_back_all", True),
        ("hand_back", "hand_it_back", False),
        ("HTTPThing", "_HTTPThing", True),
        ("Call", "call", False),
    ],
)
def test_a_name_is_compared_word_by_word(banned, name, is_in_it):
    assert Entry(banned, "", is_name=True).is_in_name(name) == is_in_it


def test_sentences_are_comments_and_strings_of_several_words():
    text = 'ACCOUNT = "root"\n# Two\n# lines\nx = "two words"\n'

    assert list(sentences_of(text)) == [(2, "Two\nlines"), (4, "two words")]
