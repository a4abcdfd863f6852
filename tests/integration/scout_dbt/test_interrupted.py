"""An interrupted build loses no name, and a build of another server loses no row."""

from __future__ import annotations

from contextlib import contextmanager

from scout_dbt import build as builds
from scout_dbt.dataset.connection import transaction

FORMS = """
    CREATE TABLE forms (
        form_id text PRIMARY KEY, domain text, xmlns text, received_on timestamptz, form_data jsonb
    );
    INSERT INTO forms VALUES
        ('1', 'd', 'http://x/home', now(), '{"@name": "Home", "children": [{"a": "1"}]}')
"""


@contextmanager
def prepared(world):
    with transaction(world.place.url(world.url), world.place.schema) as cursor:
        build = builds.prepare(cursor, world.place.schema, world.project, world.folder, "commcare")
        yield cursor, build


def test_tables_of_a_build_that_was_killed_keep_their_names(world):
    world.ask(FORMS)
    found = []
    for _ in range(2):
        with prepared(world) as (cursor, build):
            names = [model.table.name for model in build.generated.models]
            for name in names:  # as dbt would, before it is killed
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} (form_id text)")
        assert build.due == set(names)
        found.append(names)

    assert found == [["form_home", "form_home__children"]] * 2


def test_a_dataset_that_was_restored_on_another_server_is_built_anew(world):
    with prepared(world) as (cursor, build):
        outcomes = dict.fromkeys(build.due, "success")
        builds.finish(cursor, build, world.project, outcomes, is_complete=True)
    with prepared(world) as (cursor, build):
        assert build.is_idle
    # There, transactions had come further than they have here.
    world.ask("UPDATE _scout_models SET watermark = watermark + 1000000000")
    world.ask("UPDATE _scout_marks SET mark = '1000000000' WHERE name ~ '^seen '")
    world.ask('UPDATE forms SET form_data = form_data || \'{"new": "1"}\'')

    with prepared(world) as (cursor, build):
        [form, _] = build.generated.models
        assert "new" in {column.name for column in form.table.columns}
        assert len(build.due) == 2
        cursor.execute("SELECT watermark FROM _scout_due")
        assert cursor.fetchall() == [(None,), (None,)]
