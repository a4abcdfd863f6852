"""A build that ends before its time costs no name."""

from __future__ import annotations

from scout_control.modelling import building

FORMS = """
    CREATE TABLE forms (
        form_id text PRIMARY KEY, domain text, xmlns text, received_on timestamptz, form_data jsonb
    );
    INSERT INTO forms VALUES
        ('1', 'd', 'http://x/home', now(), '{"@name": "Home", "children": [{"a": "1"}]}')
"""


def test_tables_of_a_build_that_was_killed_keep_their_names(world):
    world.ask(FORMS)
    found = []
    for _ in range(2):
        with building.opened(world.place.url(world.url), world.place.schema) as cursor:
            build = building.prepare(
                cursor, world.place.schema, world.project, world.folder, "commcare"
            )
            names = [model.table.name for model in build.generated.models]
            for name in names:  # as dbt would, before it is killed
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} (form_id text)")
        assert build.due == set(names)
        found.append(names)

    assert found == [["form_home", "form_home__children"]] * 2
