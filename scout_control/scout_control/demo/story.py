"""The demo from beginning to end: start, change, run, check, show, say what to type next."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scout_control.demo import by_hand, query
from scout_control.demo.commcare import CommCare
from scout_control.demo.connect import Connect
from scout_control.demo.run import Done, run
from scout_control.demo.world import Memory, World, started
from scout_control.errors import RunFailedError
from scout_control.installation import embedded_postgres

if TYPE_CHECKING:
    from scout_control.demo.display import Display
    from scout_control.demo.sandbox import Size
    from scout_control.demo.source import Change, Source
    from scout_control.installation.settings import Settings

SOURCES: dict[str, Source] = {each.name: each for each in (CommCare(), Connect())}
KILL = "kill"
FAULTS = {"429": "Too Many Requests", "500": "an internal error"}
ONE_IN = 3  # requests that meet a planted fault
SLOWED_MS = 300.0  # a page, so that there is a middle of the run to kill the loader in
NEXT = (
    ("make demo", "again: only what changed is read"),
    ("make demo ARGS=--edit", "change a handful of records, read just those"),
    ('make demo ARGS="--fault kill"', "kill the loader in mid-run: nothing is lost"),
)
LEAVE_RUNNING = (
    "make demo ARGS=--keep-running",
    "leave Postgres and the sandbox running, and show the same pipe by hand",
)
Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for."""

    source: Source
    size: Size
    fault: str | None = None
    edit: bool = False
    keep_running: bool = False


def tell(settings: Settings, options: Options, display: Display) -> Json:
    """Tell the whole story and return its facts.

    Raises:
        ControlError: The run did not end well, or Postgres and the sandbox differ.
    """
    with started(
        settings.make_home(), options.source, options.size, keep_running=options.keep_running
    ) as world:
        display.step(
            "Postgres and the sandbox are up: "
            f"{_counted(world.source.counts(world.sandbox))} behind {world.source.what}."
        )
        memory = Memory.of(world.home)
        is_first = not any(_rows(world).values())
        _change(world, memory, options, display)
        done = _run(world, settings, options, display, is_first=is_first)
        if done.error:
            display.say(f"All that Meltano said is in {_short(world.home)}/run.log.")
            raise done.error
        memory.schema = done.place.schema
        memory.save()
        facts = _facts(world, done, is_first=is_first)
        _show(world, done, facts, display)
        _next(world, options, display)
    if facts["differences"]:
        raise RunFailedError(
            f"Postgres and the sandbox differ: {facts['differences']}.",
            "This must not happen; please report it.",
        )
    return facts


def _change(world: World, memory: Memory, options: Options, display: Display) -> None:
    """Make the changes of earlier runs again, which a new sandbox forgot, and new ones if asked."""
    earlier = memory.changes.setdefault(world.key, [])
    if earlier and world.is_new_sandbox:
        _make(world, earlier)
    if options.edit:
        new = world.source.new_changes(world.server_url, world.dataset.schema, len(earlier))
        _make(world, new)
        earlier += new
        memory.save()
        display.step(f"{world.source.told(new)}.")


def _make(world: World, changes: list[Change]) -> None:
    for change in changes:
        body = {name: value for name, value in change.items() if name != "action"}
        world.sandbox.call(str(change["action"]), body)


def _run(
    world: World, settings: Settings, options: Options, display: Display, *, is_first: bool
) -> Done:
    if options.fault in FAULTS:
        return _run_with_fault(world, settings, options.fault, display, is_first=is_first)
    if options.fault != KILL:
        return run(world, settings, display, is_first=is_first)
    world.sandbox.call("set", {"latency_ms": SLOWED_MS})
    first = run(world, settings, display, is_first=is_first, kill_loader=True)
    world.sandbox.call("set", {"latency_ms": 0})
    if first.killed_at is None:
        display.step("The run was over before the loader could be killed.")
        return first
    display.step(
        f"The loader was killed with SIGKILL when {first.killed_at:,} rows were committed."
    )
    display.step(f"The run ended: {first.error}")
    second = run(world, settings, display, is_first=is_first)
    display.step("The same run again went on from the last state.")
    return second


def _run_with_fault(
    world: World, settings: Settings, fault: str, display: Display, *, is_first: bool
) -> Done:
    world.sandbox.call("set", {"fault": fault, "fault_every": ONE_IN})
    display.step(f"One of {ONE_IN} requests is answered with {fault} ({FAULTS[fault]}).")
    try:
        done = run(world, settings, display, is_first=is_first)
    finally:
        world.sandbox.call("set", {"fault": "", "fault_every": 0})
    display.step(f"Requests that were answered so, and made again: {world.sandbox.refusals():,}.")
    return done


def _facts(world: World, done: Done, *, is_first: bool) -> Json:
    schema = done.place.schema
    in_sandbox = world.source.counts(world.sandbox)
    in_postgres = _rows(world)
    differences = {
        name: {"postgres": rows, "sandbox": in_sandbox[name]}
        for name, rows in in_postgres.items()
        if rows != in_sandbox[name]
    }
    return {
        "schema": schema,
        "is_incremental": not is_first,
        "seconds": round(done.seconds, 2),
        "streams": [asdict(load) for load in done.loads],
        "rows": in_postgres,
        "differences": differences,
        "answer": [list(row) for row in _answer(world, done)],
    }


def _show(world: World, done: Done, facts: Json, display: Display) -> None:
    streams = [load.stream for load in done.loads]
    counted = query.counts(world.server_url, done.place.schema, streams)
    rows = [
        (
            load.stream,
            load.rows,
            counted[load.stream],
            round(load.seconds, 2),
            round(load.rows / load.seconds) if load.seconds else load.rows,
        )
        for load in done.loads
    ]
    kind = world.source.incremental if facts["is_incremental"] else "First run: everything"
    display.step(f"Read, loaded and modelled in {done.seconds:.1f} s.")
    display.table(kind, ("stream", "rows this run", "rows in table", "seconds", "rows/s"), rows)
    if not facts["differences"]:
        counts = facts["rows"]
        display.say(f"Postgres has what the sandbox has: {_counted(counts)}.")
    question = world.source.question
    display.table(question.title, question.columns, _answer(world, done))


def _rows(world: World) -> dict[str, int]:
    """Count the rows of the streams that are compared with the sandbox."""
    return query.counts(world.server_url, world.dataset.schema, world.source.checked)


def _answer(world: World, done: Done) -> list[tuple[object, ...]]:
    return query.answer(world.server_url, done.place.schema, world.source.question.query)


def _counted(counts: object) -> str:
    pairs = counts.items() if isinstance(counts, dict) else ()
    return ", ".join(f"{rows:,} {name}" for name, rows in pairs)


def _next(world: World, options: Options, display: Display) -> None:
    programs = _short(Path(sys.executable).parent)
    folder = _short(by_hand.write(world))
    schema = world.dataset.schema
    display.say(f"\nThe data is in schema {schema}, in the files of {_short(world.home)}/postgres.")
    display.say("What to type next:")
    display.say(f"  {f'{programs}/scout psql':<30}  look around in SQL")
    chosen = "" if world.source.name == "commcare" else f" SOURCE={world.source.name}"
    for line, meaning in NEXT if options.keep_running else (*NEXT, LEAVE_RUNNING):
        command = line.replace("make demo", f"make demo{chosen}")
        display.say(f"  {command:<30}  {meaning}")
    if options.keep_running:
        display.say(f"The API goes on at {world.sandbox.url} until: make demo ARGS=--stop")
        url = shlex.quote(world.shown_url)
        # A password of the environment would come before the file of the password.
        clean = "env -u PGPASSWORD " if "PGPASSWORD" in os.environ else ""
        display.say(
            f"  {clean}PGOPTIONS=--search_path={schema} {_short(embedded_postgres.psql())} {url}"
        )
        display.say("The same pipe by hand:")
        display.say(f"  {by_hand.command(world, programs, folder)}")


def _short(path: Path) -> Path:
    """Return the path as seen from here, if that is shorter."""
    relative = Path(os.path.relpath(path))
    return relative if len(str(relative)) < len(str(path)) else path
