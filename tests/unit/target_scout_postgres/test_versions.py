"""Which table records of a version go to, and when a version is activated."""

from __future__ import annotations

import pytest
from support.target_loading import Loading
from target_scout_postgres.loading.version_tracker import UNKNOWN
from target_scout_postgres.loading.versions import Versions
from target_scout_postgres.postgres.schema_snapshot import StreamVersions


class Run:
    """Versions above a checkpointer, with one stream."""

    def __init__(
        self,
        *key: str,
        stored: StreamVersions | None = None,
        has_bookmark: bool = False,
        **options,
    ) -> None:
        self.loading = Loading(**options)
        if stored is not None:
            self.loading.loader.stored["t"] = stored
        self.versions = Versions(self.loading.settings, self.loading.checkpointer)
        self.stream = self.loading.open("t", *key, has_bookmark=has_bookmark)
        self.versions.on_schema(self.stream)
        self.state = self.stream.versions

    def record(self, version: int | None = None) -> bool:
        wanted = version == self.state.expected or self.versions.on_record_version(
            self.stream, version
        )
        if wanted:
            self.loading.receive(self.stream)
        return wanted

    def activate(self, version: int) -> None:
        self.versions.on_activate_version(self.stream, version)

    def print_state(self) -> None:
        self.loading.checkpointer.take_state(b"{}")

    def finish(self) -> list:
        """End the input; return the versions that are activated then."""
        self.loading.checkpointer.checkpoint()
        self.activated()
        self.versions.finish()
        return [each.version for each in self.loading.checkpointer._activations]

    def activated(self) -> list:
        return [event[2] for event in self.loading.events if event[0] == "activate"]


def test_an_activate_version_after_the_records_activates_them():
    run = Run("id", stored=StreamVersions(1))
    run.record(2)
    assert run.state.is_staged
    run.activate(2)

    assert run.activated() == [2]
    assert (run.state.active, run.state.is_staged) == (2, False)


def test_an_activate_version_before_the_records_announces_them():
    run = Run("id", stored=StreamVersions(1))
    run.activate(2)
    run.record(2)
    assert run.activated() == []

    run.activate(2)
    assert run.activated() == [2]


def test_an_announced_version_is_activated_at_a_clean_end():
    run = Run("id", stored=StreamVersions(1))
    run.activate(2)
    run.record(2)
    run.print_state()

    assert run.finish() == [2]


def test_an_announced_version_whose_tap_was_cut_off_is_not_activated():
    run = Run("id", stored=StreamVersions(1))
    run.loading.loader.has_rows = True
    run.activate(2)
    run.print_state()
    run.record(2)

    assert run.finish() == []


def test_a_version_without_activate_version_is_activated_only_where_it_hides_no_rows():
    first, later = Run("id"), Run("id", stored=StreamVersions(1))
    for run in (first, later):
        run.record(2)
        run.print_state()

    assert (first.finish(), later.finish()) == ([2], [])


def test_a_version_without_key_is_activated_with_the_state_that_covers_it():
    run = Run(stored=StreamVersions(1))
    run.record(2)
    run.activate(2)
    assert (run.activated(), run.state.pending) == ([], 2)

    run.print_state()
    assert (run.activated(), run.state.active) == ([2], 2)


def test_a_pending_version_is_activated_before_the_next_one_begins():
    run = Run(stored=StreamVersions(1))
    run.record(2)
    run.activate(2)
    run.record(3)

    assert run.activated() == [2]
    assert (run.state.active, run.state.loading) == (2, 3)


def test_records_of_an_older_version_are_dropped_and_those_of_the_active_one_are_not():
    run = Run("id", stored=StreamVersions(5, seen=[3]))

    assert (run.record(3), run.record(5)) == (False, True)
    assert not run.state.is_staged


@pytest.mark.parametrize(
    ("options", "key", "has_bookmark", "is_replaced"),
    [
        ({}, (), False, False),
        ({"keyless_streams": "replace"}, (), False, True),
        ({"keyless_streams": "replace"}, ("id",), False, False),
        ({"keyless_streams": "replace"}, (), True, False),
        ({"keyless_streams": "replace", "load_method": "append-only"}, (), False, False),
    ],
)
def test_which_streams_are_replaced_as_a_whole(options, key, has_bookmark, is_replaced):
    run = Run(*key, has_bookmark=has_bookmark, **options)
    run.record()
    run.print_state()

    assert run.state.replaces_table is is_replaced
    assert run.finish() == ([None] if is_replaced else [])


def test_a_replacement_of_existing_rows_needs_a_clean_end():
    run = Run(keyless_streams="replace")
    run.loading.loader.has_rows = True
    run.print_state()
    run.record()

    assert run.finish() == []


def test_the_first_record_tells_whether_an_unfinished_version_continues():
    stored = StreamVersions(None, 2)
    with_version = Run(stored=stored, keyless_streams="replace")
    assert with_version.state.expected == UNKNOWN
    with_version.record(2)
    assert (with_version.state.loading, with_version.state.replaces_table) == (2, False)

    without = Run(stored=stored, keyless_streams="replace")
    without.record()
    assert (without.state.loading, without.state.replaces_table) == (None, True)


def test_overwrite_replaces_each_table_at_the_end():
    run = Run("id", load_method="overwrite")
    run.record(3)

    assert run.state.is_staged
    assert run.finish() == [None]
