"""Output of a replay: a line per run, totals, and tables of results."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.target_replay.__main__ import Result
    from benchmarks.target_replay.files import Found, Notes

VERDICTS = ("right", "refused", "explained", "DIFFERENT")
HEADS = ("correct", "correctly rejected", "explained", "different")
MODES = {
    "once": "each distinct file, alone",
    "again": "the same file once more",
    "chain": "the files of a folder, one after another",
}


def show(result: Result) -> None:
    """Print the line of one run."""
    parts = [result.explanation, result.difference] if result.difference else [result.refusal]
    detail = "; ".join(part for part in parts if part)
    print(f"{verdict(result):9} {result.mode:5} {result.found.path}: {detail}", flush=True)


def verdict(result: Result) -> str:
    """Return the verdict on a run."""
    if result.difference:
        return "explained" if result.explanation else "DIFFERENT"
    return "refused" if result.refusal else "right"


def summary(files: list[Found], results: list[Result], notes: Notes, to: Path | None) -> int:
    """Print the totals and optionally write them to a file; return the exit code."""
    alone = {result.found.digest: result for result in results if result.mode == "once"}
    runs: dict[str, Counter[str]] = {name: Counter() for name in MODES.values()}
    for result in results:
        runs[MODES[result.mode]][verdict(result)] += 1
    repositories: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, list[str]] = defaultdict(list)
    for found in files:
        result = alone[found.digest]
        repositories[found.repository.replace("+", "/")][verdict(result)] += 1
        if why := result.explanation or (result.refusal and notes.refusal(result.refusal)):
            reasons[why].append(Path(found.path).name)
    repositories = dict(sorted(repositories.items()))
    repositories["all"] = sum(repositories.values(), Counter())
    named = (
        (why, len(names), ", ".join(f"`{name}`" for name in sorted(set(names))[:3]))
        for why, names in sorted(reasons.items(), key=lambda item: -len(item[1]))
    )
    text = "\n".join(
        [
            *_table(("runs", "all", *HEADS), _counted(runs)),
            "",
            *_table(("repository", "files", *HEADS), _counted(repositories)),
            "",
            *_table(("why a run is refused, or differs", "files", "among them"), named),
            "",
        ]
    )
    sys.stdout.write(text)
    if to is not None:
        to.write_text(text)
    return 1 if any(verdict(result) == "DIFFERENT" for result in results) else 0


def _counted(rows: dict[str, Counter[str]]) -> Iterable[tuple[object, ...]]:
    for name, row in rows.items():
        yield (name, row.total(), *(row[kind] for kind in VERDICTS))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterable[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
