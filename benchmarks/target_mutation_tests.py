"""Mutation tests of the target: break each guarantee, and expect its test to fail.

Run it with `make bench ARGS=target_mutation_tests`. Each row of the table below changes one line of
a copy of the package and runs the named tests against that copy. Exits with 1 if a test still
passes, or if the line to change no longer exists. `--markdown` only prints the table.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "target-scout-postgres" / "target_scout_postgres"
CONTRACT = "tests/contract/target_scout_postgres/test_guarantees_"
INTEGRATION = "tests/integration/target_scout_postgres/"
UNIT = "tests/unit/target_scout_postgres/"


@dataclass(frozen=True)
class Mutation:
    """A guarantee, the change that breaks it, and the test that must fail."""

    promise: str
    file: str
    old: str
    new: str
    test: str


TABLE = (
    Mutation(
        "1 state after commit",
        "pipeline.py",
        "        self.loader.checkpoint(checkpoint)\n",
        '        self._emit(state + b"\\n" if state else b"")\n'
        "        self.loader.checkpoint(checkpoint)\n",
        CONTRACT + "upsert.py::test_no_state_is_printed_before_its_commit",
    ),
    Mutation(
        "1 SIGTERM commits what was received, exit 143",
        "run.py",
        'engine.stop("interrupted")',
        "engine.abandon()",
        CONTRACT + "upsert.py::test_sigterm_commits_what_was_received_and_exits_143",
    ),
    Mutation(
        "2 the last record of a key wins",
        "row_statements.py",
        'action = SQL("UPDATE SET {}")',
        'action = SQL("NOTHING --{}\\n")',
        CONTRACT + "upsert.py::test_the_last_record_of_a_key_wins_within_a_batch_and_across_runs",
    ),
    Mutation(
        "2 all columns, also those now null",
        "row_statements.py",
        '"{0} = EXCLUDED.{0}").format(Identifier(name)) for name in changed)\n        )\n',
        '"{0} = coalesce(EXCLUDED.{0}, _scout_table.{0})").format(Identifier(name)) for name in '
        "changed)\n        )\n",
        CONTRACT + "upsert.py::test_columns_that_are_null_or_missing_now_become_null",
    ),
    Mutation(
        "2 rows without key show only with the STATE that covers them",
        "pipeline.py",
        "return self.epoch if is_end or stream is settled else self.covered",
        "return self.epoch",
        CONTRACT + "upsert.py::test_rows_without_key_show_only_with_the_state_that_covers_them",
    ),
    Mutation(
        "2 held rows pass through the one loader",
        "storing.py",
        "if table.columns[name] != kind",
        "if False",
        CONTRACT + "held.py::test_a_column_that_widens_between_two_batches_of_a_checkpoint",
    ),
    Mutation(
        "2 rows wait behind those that came before them",
        "pipeline.py",
        "if stream.held or (part.waits and part.epoch > upto):",
        "if part.waits and part.epoch > upto:",
        CONTRACT + "held.py::test_rows_behind_others_that_wait_stay_behind_them",
    ),
    Mutation(
        "3 readers never see a mixed or empty table",
        "refresh.py",
        "        return self._filled(sink, stage)\n",
        '        self._session.execute("COMMIT; BEGIN; SELECT pg_sleep(0.05)")\n'
        "        return self._filled(sink, stage)\n",
        CONTRACT + "refresh.py::test_a_reader_never_sees_a_mixed_or_empty_table_and_never_waits",
    ),
    Mutation(
        "3 an older snapshot still finds the whole old table",
        "row_statements.py",
        'return SQL("DELETE FROM {}").format(table)',
        'return SQL("TRUNCATE {}").format(table)',
        CONTRACT + "refresh.py::test_a_reader_never_sees_a_mixed_or_empty_table_and_never_waits",
    ),
    Mutation(
        "3 the end of the input alone activates nothing",
        "versions.py",
        "            elif stream.announced is None or stream.is_done(stream.announced):\n",
        "            elif stream.announced is None and stream.loading is not None:\n"
        "                self._pipeline.activate(stream, stream.loading)\n"
        "            elif stream.announced is None or stream.is_done(stream.announced):\n",
        CONTRACT + "refresh.py::test_the_end_of_the_input_alone_activates_nothing",
    ),
    Mutation(
        "3 an interrupted refresh continues when its version is resumed",
        "refresh.py",
        "if (standing.loading != version or version is None) and stage.exists:",
        "if stage.exists:",
        CONTRACT + "refresh.py::test_an_interrupted_refresh_continues_when_its_version_is_resumed",
    ),
    Mutation(
        "3 a refresh resumed behind its last record is activated before its STATE",
        "stream.py",
        "if self.loading is not None and not is_announced:",
        "if False:",
        CONTRACT + "refresh.py::test_a_refresh_resumed_behind_its_last_record_is_activated_before_"
        "its_state",
    ),
    Mutation(
        "3 a version announced first is not activated before its records",
        "versions.py",
        "if version in stream.loaded or version == stream.announced:",
        "if True:",
        CONTRACT + "refresh.py::test_a_version_announced_first_is_not_activated_by_a_signal",
    ),
    Mutation(
        "3 hard_delete false marks",
        "refresh.py",
        "        if is_marked:\n",
        "        if False:\n",
        CONTRACT + "refresh.py::test_a_soft_delete_marks_rows_and_takes_the_mark_off_again",
    ),
    Mutation(
        "3 a row that is the same is not written again",
        "row_statements.py",
        'SQL("OR pg_catalog.record_image_ne(ROW({old}), ROW({new}))")',
        'SQL("OR true --{old}{new}\\n")',
        CONTRACT + "refresh.py::test_an_unchanged_row_is_not_written_again",
    ),
    Mutation(
        "4 a wider type widens its column",
        "column_types.py",
        '    (BIGINT, NUMERIC): "{column}::numeric",\n',
        "",
        CONTRACT + "schema.py::test_integers_beyond_64_bits_widen_the_column",
    ),
    Mutation(
        "4 what a view holds goes to a sibling column",
        "tables.py",
        "tolerated=UNWIDENED",
        "tolerated=()",
        CONTRACT + "schema.py::test_integers_beyond_64_bits_go_to_a_sibling_under_a_view",
    ),
    Mutation(
        "5 names of 63 bytes at most",
        "identifiers.py",
        "0 < len(encoded) <= LONGEST_BYTES",
        "0 < len(encoded)",
        UNIT + "test_identifiers.py::test_a_name_fits_and_is_valid",
    ),
    Mutation(
        "5 names equal after shortening stay apart",
        "identifiers.py",
        'return f"{head}_{digest(name)}"',
        'return f"{head}_{digest(head)}"',
        UNIT + "test_identifiers.py::test_different_names_never_meet",
    ),
    Mutation(
        "5 NUL characters are counted",
        "messages.py",
        "self.removed_nuls += removed",
        "pass",
        CONTRACT + "schema.py::test_nul_characters_are_removed_and_counted",
    ),
    Mutation(
        "5 stream maps hold for batch files",
        "engine.py",
        "            self.feed(part.lines)\n",
        "            self._take(part.lines)\n",
        CONTRACT + "maps.py::test_files_of_a_batch_go_through_maps_filters_aliases_and_flattening",
    ),
    Mutation(
        "5 what cannot be mapped is kept nowhere",
        "engine.py",
        "self._refuse(self._streams[part.stream], part.reason, None)",
        "record = decode(lines[part.number - end - 1], 0).record\n"
        "                self._refuse(self._streams[part.stream], part.reason, bytes(record))",
        CONTRACT + "maps.py::test_what_cannot_be_mapped_is_refused_and_kept_nowhere",
    ),
    Mutation(
        "9 a state of another schema is told",
        "carried.py",
        "            self.missing.append(stream)\n",
        "            pass\n",
        CONTRACT + "carried.py::"
        "test_a_state_of_another_schema_or_a_dropped_table_is_told_and_what_to_do",
    ),
    Mutation(
        "2 nothing of a broken batch is loaded",
        "batches.py",
        "            _look_through(path, compression)\n",
        "            path.stat()\n",
        CONTRACT + "batches.py::test_a_broken_file_is_named_and_nothing_of_its_batch_is_loaded",
    ),
    Mutation(
        "6 a second run is refused",
        "dataset_lock.py",
        "            if is_alive:\n",
        "            if False:\n",
        CONTRACT + "alone.py::test_a_second_run_is_refused_at_once_and_told_who_holds_the_schema",
    ),
    Mutation(
        "6 a run whose lock went to another one writes nothing beside it",
        "lock_statements.py",
        "WHERE name = 'load' AND token = %s FOR UPDATE",
        "WHERE name = 'load' OR token = %s FOR UPDATE",
        CONTRACT + "alone.py::test_a_run_whose_lock_went_to_another_run_ends",
    ),
    Mutation(
        "6 a run waits for the last transaction of one that was killed",
        "lock_statements.py",
        " AND token = %s FOR UPDATE",
        " AND token = %s",
        CONTRACT + "locks.py::test_a_last_transaction_that_does_not_end_is_named",
    ),
    Mutation(
        "6 a pooler that would lose the lock is refused",
        "dataset_lock.py",
        "        if connection.info.backend_pid == backend:\n",
        "        if True:\n",
        INTEGRATION + "test_pgbouncer.py::test_a_pool_that_lends_sessions_for_less_is_refused_at_"
        "once_with_the_reason",
    ),
    Mutation(
        "7 a schema of another owner is refused",
        "dataset_schema.py",
        "if settings.owner in (None, comment) or comment in UNOWNED_COMMENTS:",
        "if True:",
        CONTRACT + "alone.py::test_the_owner_is_kept_and_another_owner_is_refused",
    ),
    Mutation(
        "8 memory is bounded with many streams",
        "pipeline.py",
        "elif self.buffered >= BUDGET_BATCHES * self.settings.batch_size_bytes:",
        "elif False:",
        CONTRACT + "alone.py::test_memory_stays_bounded_with_200_interleaved_streams",
    ),
    Mutation(
        "8 no transaction stays open while input is missing",
        "pipeline.py",
        "if is_waiting and (self.is_dirty or",
        "if is_waiting and (",
        CONTRACT + "upsert.py::test_no_transaction_stays_open_while_the_input_is_silent",
    ),
    Mutation(
        "9 a refused record ends with 65",
        "encoder.py",
        "            if source.required:\n",
        "            if False:\n",
        CONTRACT + "input.py::test_a_record_that_lacks_a_required_property_exits_65",
    ),
    Mutation(
        "9 trouble of the server refuses no record",
        "refusals.py",
        'OF_THE_DATA = ("22", "54",',
        'OF_THE_DATA = ("", "22", "54",',
        CONTRACT + "refusals.py::test_trouble_of_the_server_ends_the_run_and_loses_nothing",
    ),
    Mutation(
        "9 what Postgres refuses is kept with its record",
        "loader.py",
        "Reject(stream, lines[1], reason, record)",
        "Reject(stream, lines[1], reason, None)",
        CONTRACT + "refusals.py::test_what_only_postgres_refuses_is_kept_counted_and_told",
    ),
    Mutation(
        "9 a closed STATE pipe ends the run with 1",
        "run.py",
        "    except OSError as error:\n        engine.abandon()\n",
        "    except OSError as error:\n        engine.abandon()\n        return 0\n",
        CONTRACT + "alone.py::test_a_reader_of_states_that_is_gone_ends_the_run_with_1",
    ),
    Mutation(
        "10 the books tell what a run has loaded",
        "stream.py",
        "return Load(self.name, self.rows,",
        "return Load(self.name, self.rows + 1,",
        CONTRACT + "upsert.py::test_the_books_tell_what_a_run_loaded",
    ),
    Mutation(
        "corner: a date-time without a zone is UTC",
        "moments.py",
        "NAIVE_EPOCH = dt.datetime(2000, 1, 1)",
        "NAIVE_EPOCH = dt.datetime(2000, 1, 1, 1)",
        CONTRACT + "schema.py::test_date_times_are_instants_and_utc_without_a_zone",
    ),
    Mutation(
        "corner: rejected records are kept if configured",
        "engine.py",
        'if self.settings.on_invalid_record == "fail":',
        "if True:",
        CONTRACT + "input.py::test_refused_records_can_be_kept_aside",
    ),
    Mutation(
        "corner: overwrite replaces at the clean end",
        "pipeline.py",
        'if self.settings.load_method == "overwrite" and not is_end:',
        "if False:",
        CONTRACT + "upsert.py::test_an_interrupted_overwrite_changes_nothing_and_prints_no_state",
    ),
    Mutation(
        "corner: a version without records empties the table",
        "refresh.py",
        "changes.append(row_statements.delete_missing(live, source, key))",
        "pass",
        CONTRACT + "refresh.py::test_activating_a_version_without_records_empties_the_table",
    ),
    Mutation(
        "corner: a record of an older version is dropped",
        "stream.py",
        "version < self.active and version in self.seen:",
        "False:",
        CONTRACT + "refresh.py::test_records_of_an_older_version_are_dropped",
    ),
    Mutation(
        "corner: an identical SCHEMA costs nothing",
        "engine.py",
        "        if stream is not None and stream.schema_line == line:\n            return\n",
        "        if stream is not None:\n            stream.schema = None\n",
        CONTRACT + "schema.py::test_an_identical_schema_costs_nothing",
    ),
)


def try_one(mutation: Mutation, home: Path) -> str:
    """Apply the mutation to a copy; return what is wrong with its test, or nothing."""
    copy = home / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / mutation.file
    text = file.read_text()
    if text.count(mutation.old) != 1:
        return f"{mutation.file} has the text {text.count(mutation.old)} times: mend this table"
    file.write_text(text.replace(mutation.old, mutation.new))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutation.test],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        check=False,
    )
    outcomes = {0: "the test passes all the same: mend it", 1: ""}
    return outcomes.get(done.returncode, f"pytest ended with {done.returncode}: no such test?")


def main() -> int:
    """Run all mutations and print a line for each; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="part of the promises to try")
    options.add_argument("--jobs", type=int, default=2, help="number of parallel tests")
    options.add_argument("--markdown", action="store_true")
    chosen = options.parse_args()
    rows = [one for one in TABLE if chosen.only in one.promise]
    if chosen.markdown:
        print("| guarantee | mutated file | test that fails |\n|---|---|---|")
        for one in rows:
            print(f"| {one.promise} | `{one.file}` | `{one.test.rpartition('::')[2]}` |")
        return 0
    failures = 0
    with (
        tempfile.TemporaryDirectory(prefix="scout-sabotage-") as home,
        ThreadPoolExecutor(chosen.jobs) as pool,
    ):
        homes = [Path(home) / str(number) for number in range(len(rows))]
        for one, complaint in zip(rows, pool.map(try_one, rows, homes), strict=True):
            failures += bool(complaint)
            print(f"{one.promise}: {complaint or 'noticed'}", flush=True)
    print(f"{len(rows) - failures} of {len(rows)} noticed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
