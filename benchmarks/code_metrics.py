"""Code metrics of this repository, or of any other, as a Markdown table.

Run it with `make bench ARGS=code_metrics`, or `python -m benchmarks.code_metrics PATH` for another
checkout. There is a row per distribution (a folder with a pyproject.toml) and a total.

- lines: all lines of the package's .py files, without those below a folder `tests`
- function: lines from `def` to the end of its body, without decorators
- circles: groups of modules that import each other, in a cycle; in brackets those without
  imports for the type checker
- comments: lines with nothing but a comment, without banners, `noqa` and `type: ignore`
- tests: lines below tests/, per line of code; tests of the sandbox and its code do not count
"""

from __future__ import annotations

import argparse
import ast
import io
import math
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONG_FUNCTION_LINES = 50
SANDBOX = "commcare_sandbox"
SKIPPED = {"tests", "build", "dist", "node_modules", "site-packages"}
# Files whose code is hard: their comments are shown one by one. Missing ones are left out.
HARD_FILES = (
    *("engine", "checkpointer", "pipeline", "loader", "schema_manager", "versions", "refresh"),
    *("prefetch", "ahead", "execute", "executing", "finish", "heartbeat", "recovery"),
)
NO_COMMENT = re.compile(r"#\s*(noqa|type:\s*ignore|[-=#*~]{3,}|!)")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SourceFile:
    """One Python file."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="replace")

    @cached_property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def functions(self) -> list[int]:
        """Lines of each function and method, nested ones included."""
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, Function))
        return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in nodes]

    @property
    def docstrings(self) -> list[str]:
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, documented))
        return [text for node in nodes if (text := ast.get_docstring(node))]

    @cached_property
    def comments(self) -> list[tokenize.TokenInfo]:
        reader = io.StringIO(self.text).readline
        return [t for t in tokenize.generate_tokens(reader) if t.type == tokenize.COMMENT]

    @property
    def noqa(self) -> int:
        return sum("noqa" in comment.string for comment in self.comments)

    @property
    def comment_lines(self) -> int:
        own_lines = (c for c in self.comments if c.line.lstrip().startswith("#"))
        return sum(not NO_COMMENT.match(comment.string) for comment in own_lines)


@dataclass(frozen=True)
class Distribution:
    """The packages that are installed together."""

    name: str
    folder: Path
    packages: tuple[Path, ...]
    files: list[SourceFile] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return sum(file.lines for file in self.files)


def distributions(root: Path) -> list[Distribution]:
    """Find the distributions of a repository: its members, or itself if it has none."""
    members = sorted(path.parent for path in root.glob("*/pyproject.toml"))
    taken: set[Path] = set()
    found = [_distribution(folder, taken) for folder in members or [root]]
    return [each for each in found if each.files]


def _distribution(folder: Path, taken: set[Path]) -> Distribution:
    """Return the distribution of a folder; a linked package counts in the first one only."""
    source = folder / "src" if (folder / "src").is_dir() else folder
    packages = tuple(
        path.parent
        for path in sorted(source.glob("*/__init__.py"))
        if path.parent.name not in {*SKIPPED, "docs", "examples"}
        and path.parent.resolve() not in taken
    )
    taken |= {package.resolve() for package in packages}
    files = [file for package in packages for file in python_files(package)]
    return Distribution(folder.name, source, packages, files)


def python_files(folder: Path) -> list[SourceFile]:
    """Return the Python files below a folder, without tests and generated folders."""
    return [
        SourceFile(path)
        for path in sorted(folder.rglob("*.py"))
        if not any(
            part in SKIPPED or part.startswith(".") for part in path.relative_to(folder).parts
        )
    ]


def circles(distribution: Distribution, *, types: bool) -> int:
    """Count the groups of modules that import each other, with or without imports for types."""
    import grimp  # noqa: PLC0415 - import-linter brings it; everything else works without

    sys.path.insert(0, str(distribution.folder))
    try:
        graph = grimp.build_graph(
            *(package.name for package in distribution.packages),
            exclude_type_checking_imports=not types,
            cache_dir=None,
        )
    finally:
        sys.path.pop(0)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    return len(cycles(imports))


def cycles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the strongly connected components with more than one node."""
    reachable = {node: _reachable(node, edges) for node in edges}
    found: list[set[str]] = []
    for node, there in reachable.items():
        group = {other for other in there if node in reachable[other]} | {node}
        if len(group) > 1 and group not in found:
            found.append(group)
    return found


def _reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    open_nodes = [start]
    while open_nodes:
        for node in edges.get(open_nodes.pop(), set()) - seen:
            seen.add(node)
            open_nodes.append(node)
    return seen


def percentile(values: Sequence[int], share: float) -> int:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * share) - 1] if ordered else 0


def row(name: str, files: Sequence[SourceFile], circle: str) -> list[str]:
    """Return the cells of one row of the table."""
    functions = [length for file in files for length in file.functions]
    sizes = [file.lines for file in files]
    docstrings = [text for file in files for text in file.docstrings]
    lines = max(sum(sizes), 1)
    long = sum(length > LONG_FUNCTION_LINES for length in functions)
    returns = sum(text.startswith("Return") for text in docstrings)
    return [
        name,
        f"{sum(sizes):,}",
        f"{percentile(functions, 0.5)}/{percentile(functions, 0.9)}",
        f"{100 * long / max(len(functions), 1):.2f} %",
        f"{percentile(sizes, 0.5)}/{percentile(sizes, 0.9)}/{max(sizes, default=0)}",
        circle,
        f"{1000 * sum(file.noqa for file in files) / lines:.1f}",
        f"{1000 * sum(file.comment_lines for file in files) / lines:.0f}",
        f"{returns} of {len(docstrings)}",
    ]


HEAD = (
    *("distribution", "lines", "function p50/p90", "functions > 50", "file p50/p90/max"),
    *("circles", "noqa per 1000", "comments per 1000", 'docstrings "Return"'),
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'--:|' * (len(head) - 1)}"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def tests_per_code(root: Path, found: Sequence[Distribution]) -> str:
    """Return lines of tests per line of code, both without the sandbox."""
    tests = [file for file in python_files(root / "tests") if SANDBOX not in file.path.parts]
    code = [each for each in found if SANDBOX not in {path.name for path in each.packages}]
    lines = sum(file.lines for file in tests)
    return f"{lines:,} / {sum(each.lines for each in code):,} = " + (
        f"{lines / max(sum(each.lines for each in code), 1):.2f}"
    )


def report(root: Path, hard: Sequence[str]) -> Iterator[str]:
    """Return the lines of the report."""
    found = distributions(root)
    counted = [(circles(each, types=True), circles(each, types=False)) for each in found]
    rows = [
        row(each.name, each.files, f"{with_types} ({without})")
        for each, (with_types, without) in zip(found, counted, strict=True)
    ]
    everything = [file for each in found for file in each.files]
    sums = [sum(column) for column in zip(*counted, strict=True)]
    rows.append(row("total", everything, f"{sums[0]} ({sums[1]})" if sums else "0"))
    yield from table(HEAD, rows)
    yield ""
    if (root / "tests").is_dir():
        yield f"Tests : code, without the sandbox: {tests_per_code(root, found)}"
        yield ""
    chosen = [file for file in everything if file.path.stem in hard]
    yield from table(
        ("hard file", "lines", "comments per 1000"),
        (
            [
                str(file.path.relative_to(root)),
                str(file.lines),
                f"{1000 * file.comment_lines / max(file.lines, 1):.0f}",
            ]
            for file in chosen
        ),
    )


def main() -> None:
    """Print the report of a repository."""
    parser = argparse.ArgumentParser(prog="code_metrics", description=__doc__.split("\n")[0])
    parser.add_argument("path", nargs="?", type=Path, default=ROOT, help="default: this checkout")
    parser.add_argument("--hard", nargs="*", default=HARD_FILES, help="names of hard files")
    options = parser.parse_args()
    sys.stdout.writelines(f"{line}\n" for line in report(options.path.resolve(), options.hard))


if __name__ == "__main__":
    main()
