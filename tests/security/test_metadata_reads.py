"""What control reads of a dataset after a run: as whom, whatever its writer made of it."""

from __future__ import annotations

import pytest

SEIZE = (
    "CREATE TABLE {schema}.seen (who name, as_whom name, did text)",
    "GRANT ALL ON {schema}.seen TO PUBLIC",
    """
    CREATE FUNCTION {schema}.seize() RETURNS boolean LANGUAGE plpgsql AS $attack$
    DECLARE attempt text;
    BEGIN
        FOREACH attempt IN ARRAY ARRAY[
            'SELECT 1',
            'SELECT count(secrets) FROM scout_control.credentials',
            'SELECT count(*) FROM {other}.things',
            'DELETE FROM {other}.things',
            'UPDATE scout_control.sources SET base_url = ''http://thief''',
            'CREATE FUNCTION scout_control.planted() RETURNS int LANGUAGE sql AS ''SELECT 1''',
            'COPY (SELECT 1) TO PROGRAM ''cat > /dev/null''',
            'ALTER ROLE {writer} CREATEROLE',
            'GRANT {other}_ro TO {writer}',
            'GRANT pg_execute_server_program TO {writer}'
        ] LOOP
            BEGIN
                EXECUTE attempt;
                INSERT INTO {schema}.seen VALUES (session_user, current_user, attempt);
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
        RETURN true;
    END $attack$
    """,
)
LOADS = "_scout_loads"
RELATIONS = (
    # Each is named in _scout_loads, so that control wants to know how many rows it holds.
    "CREATE VIEW {schema}.a_view AS SELECT {schema}.seize()",
)


def seized(world, owner):
    """Return what was done as control, or as anyone who is not of the owner."""
    statement = f"SELECT DISTINCT who, as_whom, did FROM {owner.schema}.seen ORDER BY 1, 2, 3"
    own = set(owner.names.values())
    return [found for found in world.ask(statement) if not {found[0], found[1]} <= own]


def attack(world, *statements):
    """Let the writer of a dataset execute statements before control reads it; return the run."""
    attacker, victim = world.owner("river"), world.owner("hill")
    before = world.fingerprint()
    words = attacker.names | {"other": victim.schema}
    made = [each.format(**words) for each in (*SEIZE, *statements)]
    world.act_before_reads(attacker.path, *made)
    run = world.scout.run(attacker.path)

    assert seized(world, attacker) == []
    assert world.fingerprint() == before
    assert world.ask(f"SELECT count(*) FROM {victim.schema}.things") == [(3,)]
    return attacker, run


@pytest.mark.parametrize(
    "view",
    [
        "SELECT 'x'::text AS run_id, 'things'::text AS stream, 1::bigint AS rows, "
        "now() AS started_at, now() AS completed_at WHERE {schema}.seize()",
    ],
)
def test_a_table_of_loads_that_is_a_view_is_not_evaluated_as_control(world, view):
    _, run = attack(
        world, "DROP TABLE {schema}._scout_loads", f"CREATE VIEW {{schema}}._scout_loads AS {view}"
    )

    assert run.status == "completed"
