"""Break each guarantee of the target on purpose; the test that covers it must fail.

Run it with `python -m benchmarks.target_mutation_tests`. Each row of the table below changes one
place in a copy of the package and runs the named test against that copy. A test that still passes,
or a place that the code no longer has, makes the exit code 1. `--markdown` only prints the table.
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
    """A promise, the change that breaks it, and the test that must fail."""

    promise: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        "1 state after commit",
        "loading/checkpointer.py",
        "        self._loader.checkpoint(checkpoint)\n",
        '        self._emit(state + b"\\n" if state else b"")\n'
        "        self._loader.checkpoint(checkpoint)\n",
        CONTRACT + "upsert.py::test_no_state_is_printed_before_its_commit",
    ),
    Mutation(
        "1 SIGTERM commits what was received and exits with 143",
        "runner.py",
        "engine.stop(LoadStatus.INTERRUPTED)",
        "engine.abandon()",
        CONTRACT + "upsert.py::test_sigterm_commits_what_was_received_and_exits_143",
    ),
    Mutation(
        "2 the last record of a key wins",
        "postgres/row_statements.py",
        'action = SQL("UPDATE SET {}")',
        'action = SQL("NOTHING --{}\\n")',
        CONTRACT + "upsert.py::test_the_last_record_of_a_key_wins_within_a_batch_and_across_runs",
    ),
    Mutation(
        "2 all columns, also those now null",
        "postgres/row_statements.py",
        'SQL("{} = {}").format(Identifier(name), Identifier(source, name)) for name in columns',
        'SQL("{} = coalesce({}, _scout_table.{})").format('
        "Identifier(name), Identifier(source, name), Identifier(name)) for name in columns",
        CONTRACT + "upsert.py::test_columns_that_are_null_or_missing_now_become_null",
    ),
    Mutation(
        "2 rows without key show only with the STATE that covers them",
        "loading/checkpointer.py",
        "return self.epoch if is_end or stream is settled else self.covered",
        "return self.epoch",
        CONTRACT + "upsert.py::test_rows_without_key_show_only_with_the_state_that_covers_them",
    ),
    Mutation(
        "2 withheld rows pass through the one writer",
        "loading/batch_writer.py",
        "if table.columns[name] != type_",
        "if False",
        CONTRACT + "withheld.py::test_a_column_that_widens_between_two_batches_of_a_checkpoint",
    ),
    Mutation(
        "2 rows wait behind those that came before them",
        "loading/buffers.py",
        "return bool(self.withheld) or (segment.waits and segment.epoch > covered)",
        "return segment.waits and segment.epoch > covered",
        CONTRACT + "withheld.py::test_rows_behind_withheld_ones_stay_behind_them",
    ),
    Mutation(
        "3 readers never see a mixed or empty table",
        "loading/refresh.py",
        "            return self._merge_stage(tables, stage, plan)\n",
        '            self._session.execute("COMMIT; BEGIN; SELECT pg_sleep(0.05)")\n'
        "            return self._merge_stage(tables, stage, plan)\n",
        CONTRACT + "refresh.py::test_a_reader_never_sees_a_mixed_or_empty_table_and_never_waits",
    ),
    Mutation(
        "3 an older snapshot still finds the whole old table",
        "postgres/row_statements.py",
        'return SQL("DELETE FROM {}").format(table)',
        'return SQL("TRUNCATE {}").format(table)',
        CONTRACT + "refresh.py::test_a_reader_never_sees_a_mixed_or_empty_table_and_never_waits",
    ),
    Mutation(
        "3 the end of the input alone activates nothing",
        "loading/versions.py",
        "        elif tracker.is_staged and tracker.pending is None and stream.",
        "        elif tracker.announced is None and tracker.loading is not None:\n"
        "            self._checkpointer.activate(stream, tracker.loading)\n"
        "        elif tracker.is_staged and tracker.pending is None and stream.",
        CONTRACT + "refresh.py::test_the_end_of_the_input_alone_activates_nothing",
    ),
    Mutation(
        "3 an interrupted refresh continues when its version is resumed",
        "loading/refresh.py",
        "return stage.exists and (stored.loading != version or version is None)",
        "return stage.exists",
        CONTRACT + "refresh.py::test_an_interrupted_refresh_continues_when_its_version_is_resumed",
    ),
    Mutation(
        "3 a refresh resumed after its last record is activated before its STATE",
        "loading/version_tracker.py",
        "if self.loading is not None and not is_announced:",
        "if False:",
        CONTRACT + "refresh.py::test_a_refresh_resumed_after_its_last_record_is_activated_before_"
        "its_state",
    ),
    Mutation(
        "3 a version announced first is not activated before its records",
        "loading/version_tracker.py",
        "if version in self.loaded or version == self.announced:",
        "if True:",
        CONTRACT + "refresh.py::test_a_version_announced_first_is_not_activated_by_a_signal",
    ),
    Mutation(
        "3 hard_delete false marks",
        "loading/refresh.py",
        "    if soft_delete:\n",
        "    if False:\n",
        CONTRACT + "refresh.py::test_a_soft_delete_marks_rows_and_takes_the_mark_off_again",
    ),
    Mutation(
        "3 an unchanged row is not written again",
        "postgres/row_statements.py",
        'differs = SQL("OR {}").format(_differs(changed))',
        'differs = SQL("OR true")',
        CONTRACT + "refresh.py::test_an_unchanged_row_is_not_written_again",
    ),
    Mutation(
        "4 a wider type widens its column",
        "encoding/column_types.py",
        '    (BIGINT, NUMERIC): "{column}::numeric",\n',
        "",
        CONTRACT + "schema.py::test_integers_beyond_64_bits_widen_the_column",
    ),
    Mutation(
        "4 a column that a view uses gets a sibling column",
        "postgres/ddl.py",
        "tolerated=CANNOT_WIDEN",
        "tolerated=()",
        CONTRACT + "schema.py::test_integers_beyond_64_bits_go_to_a_sibling_under_a_view",
    ),
    Mutation(
        "5 names of 63 bytes at most",
        "postgres/identifiers.py",
        "0 < len(encoded) <= MAX_BYTES",
        "0 < len(encoded)",
        UNIT + "test_identifiers.py::test_an_identifier_fits_and_is_valid",
    ),
    Mutation(
        "5 shortened names stay distinct",
        "postgres/identifiers.py",
        'return f"{head}_{digest(name)}"',
        'return f"{head}_{digest(head)}"',
        UNIT + "test_identifiers.py::test_different_names_give_different_identifiers",
    ),
    Mutation(
        "5 NUL characters are counted",
        "singer/sanitizer.py",
        "self.removed_nuls += removed",
        "pass",
        CONTRACT + "schema.py::test_nul_characters_are_removed_and_counted",
    ),
    Mutation(
        "5 stream maps apply to batch files",
        "loading/engine.py",
        "            self.process_lines(batch_lines.lines)\n",
        "            self._process(batch_lines.lines)\n",
        CONTRACT
        + "stream_maps.py::test_files_of_a_batch_go_through_maps_filters_aliases_and_flattening",
    ),
    Mutation(
        "5 records that cannot be mapped are not stored",
        "loading/engine.py",
        "self._reject(self._streams[mapped.stream], mapped.reason, None)",
        "record = decode(lines[mapped.number - end - 1], 0).record\n"
        "                self._reject(self._streams[mapped.stream], mapped.reason, bytes(record))",
        CONTRACT + "stream_maps.py::test_a_record_that_cannot_be_mapped_is_rejected_and_not_stored",
    ),
    Mutation(
        "9 a state of another schema is reported",
        "loading/starting_state.py",
        "            self.missing.append(stream)\n",
        "            pass\n",
        CONTRACT + "starting_state.py::"
        "test_a_state_of_another_schema_or_a_dropped_table_is_reported_with_what_to_do",
    ),
    Mutation(
        "2 nothing of a broken batch is loaded",
        "singer/batch_messages.py",
        "            _check_file(path, compression)\n",
        "            path.stat()\n",
        CONTRACT
        + "batch_messages.py::test_a_broken_file_is_named_and_nothing_of_its_batch_is_loaded",
    ),
    Mutation(
        "6 a second run fails at once",
        "postgres/dataset_lock.py",
        "            if is_alive:\n",
        "            if False:\n",
        CONTRACT
        + "exclusive.py::test_a_second_run_fails_at_once_and_names_the_holder_of_the_schema",
    ),
    Mutation(
        "6 a run that lost the lock writes nothing",
        "postgres/lock_statements.py",
        "WHERE name = 'load' AND token = %s FOR UPDATE",
        "WHERE name = 'load' OR token = %s FOR UPDATE",
        CONTRACT + "exclusive.py::test_a_run_whose_lock_went_to_another_run_ends",
    ),
    Mutation(
        "6 a run waits for the last transaction of one that was killed",
        "postgres/lock_statements.py",
        " AND token = %s FOR UPDATE",
        " AND token = %s",
        CONTRACT + "locks.py::test_a_last_transaction_that_does_not_end_is_named",
    ),
    Mutation(
        "6 a pooler that would lose the lock is rejected",
        "postgres/dataset_lock.py",
        "        if connection.info.backend_pid == backend:\n",
        "        if True:\n",
        INTEGRATION + "test_pgbouncer.py::test_a_pooler_in_transaction_mode_is_rejected_at_"
        "once_with_the_reason",
    ),
    Mutation(
        "7 a schema of another owner is rejected",
        "postgres/dataset_schema.py",
        "if settings.owner in (None, comment) or comment in UNOWNED_COMMENTS:",
        "if True:",
        CONTRACT + "exclusive.py::test_the_owner_is_recorded_and_another_owner_is_rejected",
    ),
    Mutation(
        "8 memory is bounded with many streams",
        "loading/checkpointer.py",
        "elif self.policy.exceeds_budget(self._buffered_bytes):",
        "elif False:",
        CONTRACT + "exclusive.py::test_memory_stays_bounded_with_200_interleaved_streams",
    ),
    Mutation(
        "8 no transaction stays open while there is no input",
        "loading/checkpoint_policy.py",
        "            if progress.has_written:\n",
        "            if False:\n",
        CONTRACT + "upsert.py::test_no_transaction_stays_open_while_the_input_is_silent",
    ),
    Mutation(
        "9 an invalid record ends the run with 65",
        "encoding/encoder.py",
        "            if source.required:\n",
        "            if False:\n",
        CONTRACT + "input.py::test_a_record_that_lacks_a_required_property_exits_65",
    ),
    Mutation(
        "9 a server error rejects no record",
        "postgres/rejected_rows.py",
        'DATA_ERRORS = ("22", "54",',
        'DATA_ERRORS = ("", "22", "54",',
        CONTRACT + "rejected_rows.py::test_an_error_of_the_server_ends_the_run_and_loses_nothing",
    ),
    Mutation(
        "9 a row that Postgres rejects is kept with its record",
        "loading/loader.py",
        "RejectedRecord(stream, lines[1], reason, record)",
        "RejectedRecord(stream, lines[1], reason, None)",
        CONTRACT
        + "rejected_rows.py::test_rows_that_only_postgres_rejects_are_kept_counted_and_logged",
    ),
    Mutation(
        "9 a closed output pipe ends the run with 1",
        "runner.py",
        "    except OSError as error:\n        engine.abandon()\n",
        "    except OSError as error:\n        engine.abandon()\n        return 0\n",
        CONTRACT + "exclusive.py::test_a_closed_output_pipe_ends_the_run_with_1",
    ),
    Mutation(
        "10 the load log says what a run has loaded",
        "loading/stream.py",
        "return Load(self.name, rows,",
        "return Load(self.name, rows + 1,",
        CONTRACT + "upsert.py::test_the_load_log_says_what_a_run_loaded",
    ),
    Mutation(
        "corner: a date-time without a zone is UTC",
        "encoding/timestamps.py",
        "NAIVE_EPOCH = EPOCH.replace(tzinfo=None)",
        "NAIVE_EPOCH = EPOCH.replace(hour=1, tzinfo=None)",
        CONTRACT + "schema.py::test_date_times_are_instants_and_utc_without_a_zone",
    ),
    Mutation(
        "corner: rejected records are kept on request",
        "loading/engine.py",
        "if not self._settings.keeps_rejects:",
        "if True:",
        CONTRACT + "input.py::test_rejected_records_can_be_kept",
    ),
    Mutation(
        "corner: overwrite replaces at the clean end",
        "loading/checkpoint_policy.py",
        "return is_end or not self._holds_state_back",
        "return True",
        CONTRACT + "upsert.py::test_an_interrupted_overwrite_changes_nothing_and_prints_no_state",
    ),
    Mutation(
        "corner: a version without records empties the table",
        "loading/refresh.py",
        "return row_statements.delete_missing(live, source, key)",
        'return SQL("SELECT 1")',
        CONTRACT + "refresh.py::test_activating_a_version_without_records_empties_the_table",
    ),
    Mutation(
        "corner: a record of an older version is dropped",
        "loading/version_tracker.py",
        "version < self.active and version in self.seen:",
        "False:",
        CONTRACT + "refresh.py::test_records_of_an_older_version_are_dropped",
    ),
    Mutation(
        "corner: an identical SCHEMA costs nothing",
        "loading/engine.py",
        "        if self._schema_lines.get(name) == line:\n            return\n",
        "        if name in self._streams:\n            self._streams[name].schema = None\n",
        CONTRACT + "schema.py::test_an_identical_schema_costs_nothing",
    ),
)


def try_one(mutation: Mutation, home: Path) -> str:
    """Break the promise in a copy; return the complaint about its test, if any."""
    copy = home / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / mutation.file
    text = file.read_text()
    if text.count(mutation.old) != 1:
        return f"{mutation.file} has the text {text.count(mutation.old)} times: correct this table"
    file.write_text(text.replace(mutation.old, mutation.new))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mutation.test],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        check=False,
    )
    outcomes = {0: "the test still passes: correct it", 1: ""}
    return outcomes.get(done.returncode, f"pytest ended with {done.returncode}: no such test?")


def main() -> int:
    """Try all of them; return 0 if every test noticed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="try only promises that contain this text")
    options.add_argument("--jobs", type=int, default=2, help="how many at once")
    options.add_argument("--markdown", action="store_true")
    chosen = options.parse_args()
    rows = [one for one in MUTATIONS if chosen.only in one.promise]
    if chosen.markdown:
        print("| promise | change in | test that fails |\n|---|---|---|")
        for one in rows:
            print(f"| {one.promise} | `{one.file}` | `{one.test.rpartition('::')[2]}` |")
        return 0
    failures = 0
    with (
        tempfile.TemporaryDirectory(prefix="scout-mutation-") as home,
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
