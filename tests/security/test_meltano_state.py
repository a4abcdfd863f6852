"""What a plugin does to Meltano's database and to state affects no other run.

A foreign tap takes whatever leads to a database, plants pickles, locks tables and asks control's
socket for what is another's. The next run of the victim is as it would have been.
"""

from __future__ import annotations

import json
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors
from scout_control.rules.naming import writer_role
from scout_control.store import singer_state
from scout_control.store.singer_state import StateStore
from support.hostile_taps import installed
from support.installations import a_database

# A pickle that leaves a mark where it is read.
PLANT = """
    import pickle, sqlite3

    class Trap:
        def __reduce__(self):
            return (os.system, (f"touch {folder}/sprung",))

    work = Path(os.environ["MELTANO_SYS_DIR_ROOT"]).parent
    (database,) = work.glob("*.db")
    with sqlite3.connect(database, timeout=30) as opened:
        (known,) = opened.execute("SELECT count(*) FROM plugin_settings").fetchone()
        for kind, name in (("utilities", "dbt-postgres"), ("loaders", "target-scout-postgres"),
                           ("extractors", "tap-spy"), ("meltano", "meltano")):
            for setting in ("project_dir", "profiles_dir", "_log_parser", "database_uri", "key"):
                opened.execute(
                    "INSERT INTO plugin_settings (name, namespace, value, enabled) "
                    "VALUES (?, ?, ?, 1)",
                    [setting, f"{kind}.{name}.default", pickle.dumps(Trap())])
    (folder / "planted.json").write_text(json.dumps(known))
"""
# Asks control's socket, given its path and questions as arguments.
CLIENT = """
import json, socket, sys
answers = []
for question in json.loads(sys.argv[2]):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(60)
        opened.connect(sys.argv[1])
        try:
            opened.sendall(json.dumps(question).encode() + b"\\n")
            answers.append(opened.makefile().readline())
        except OSError:
            answers.append("")
print(json.dumps(answers))
"""
# Requests from a child of the tap, from a process that it left behind, and from the tap itself.
ASK = """
    import contextlib, io, subprocess, time

    work = Path(os.environ["MELTANO_SYS_DIR_ROOT"]).parent
    taken = {"partial": {}, "completed": {"taken": 1}}
    questions = [
        {"plugin": "target-scout-postgres"}, {"plugin": "tap-spy"}, {"plugin": "dbt-postgres"},
        {"state_id": STATE_ID}, {"state_id": OWN_ID}, {"state_id": "%" + STATE_ID[-10:]},
        {"state_id": STATE_ID, "save": taken}, {"state_id": OWN_ID + "x", "save": taken},
        [], "x", 1, {}, {"save": 1, "state_id": None}, None, [["plugin", "tap-spy"]],
    ]
    words = [str(work / "control"), json.dumps(questions)]
    program = [sys.executable, "-c", CLIENT, *words]
    child = subprocess.run(program, capture_output=True, text=True).stdout
    orphan = folder / "orphan.json"
    subprocess.run(["sh", "-c", '"$@" > "$0" &', str(orphan), *program])
    until = time.monotonic() + 60
    while not orphan.exists() or not orphan.read_text():
        assert time.monotonic() < until
        time.sleep(0.1)
    sys.argv[1:] = words
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(CLIENT)
    told = [json.loads(each) for each in (said.getvalue(), child, orphan.read_text())]
    (folder / "answers.json").write_text(json.dumps(told))
"""
TRIES = (
    "BEGIN; LOCK TABLE scout_meltano.state IN ACCESS EXCLUSIVE MODE",
    "ROLLBACK; BEGIN; LOCK TABLE scout_meltano.state IN ACCESS SHARE MODE",
    "ROLLBACK; SELECT * FROM scout_meltano.state",
    "INSERT INTO scout_meltano.state VALUES ('x')",
    "CREATE TABLE scout_meltano.mine (a int)",
    "CREATE FUNCTION scout_meltano.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER mine AFTER INSERT ON scout_meltano.state EXECUTE FUNCTION now()",
    "ALTER TABLE scout_meltano.state DISABLE TRIGGER ALL",
    "DROP TABLE scout_meltano.state",
)


@pytest.fixture(scope="module")
def installation(postgres, tmp_path_factory):
    with installed(postgres, tmp_path_factory.mktemp("state")) as made:
        yield made


@pytest.fixture(scope="module")
def victim(installation):
    """A dataset that was loaded before any attack."""
    dataset = installation.dataset("hill")
    assert installation.scout.run(dataset.path).status == "completed"
    return dataset


def state_id(dataset):
    return f"prod:tap-spy-to-target-scout-postgres:{dataset.schema}"


def states(installation):
    return dict(installation.ask("SELECT state_id, completed_state FROM scout_meltano.state"))


def code(text, **names):
    lines = "".join(f"    {name} = {value!r}\n" for name, value in names.items())
    return lines + text


def test_a_pickle_in_meltanos_database_is_never_read(installation, victim):
    attacker = installation.dataset("river")
    attacker.does(PLANT)

    ended = installation.scout.run(attacker.path)
    after = installation.scout.run(victim.path)
    again = installation.scout.run(attacker.path)

    assert (ended.status, ended.transform_error) == ("completed", None)
    assert (after.status, after.transform_error) == ("completed", None)
    assert again.status == "completed"
    assert json.loads((attacker.folder / "planted.json").read_text()) == 0
    assert not (attacker.folder / "sprung").exists()
    assert installation.ask(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'scout_meltano'"
    ) == [("state",)]


def test_code_of_a_tap_gets_nothing_from_control_and_stores_no_state(installation, victim):
    attacker = installation.dataset("river")
    before = states(installation)
    attacker.does(code(ASK, CLIENT=CLIENT, STATE_ID=state_id(victim), OWN_ID=state_id(attacker)))

    ended = installation.scout.run(attacker.path)
    answers = json.loads((attacker.folder / "answers.json").read_text())
    assert installation.scout.run(victim.path).status == "completed"

    assert ended.status == "completed", ended
    assert len(answers) == 3
    for told in (answer for each in answers for answer in each):
        assert told == "" or set(json.loads(told)) == {"refused"}
    after = states(installation)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {state_id(attacker)}
    assert victim.told[-1]["state"]["bookmarks"] == {"things": {"of": str(victim.folder)}}


def test_the_role_of_a_run_can_neither_read_nor_lock_state(installation, victim):
    with closing(psycopg2.connect(installation.superuser)) as opened, opened.cursor() as cursor:
        opened.autocommit = True
        cursor.execute(f'SET SESSION AUTHORIZATION "{writer_role(victim.schema)}"')
        for statement in TRIES:
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(statement)


def test_there_is_nothing_to_delete_before_the_first_run(postgres):
    singer_state.delete(a_database(postgres), "data_x")


def test_only_states_with_the_exact_suffix_are_deleted(installation):
    with closing(StateStore(str(installation.settings.database_url))) as kept:
        names = ["prod:a-to-b:data_x", "prod:a-to-b:data_xx", "prod:a-to-b:data%x", "data_x"]
        for name in names:
            kept.save(name, {"completed": {"name": name}, "partial": None})
        kept.delete("data_x")

        found = {name: kept.get(name) for name in names}
        for name in ("data_xx", "data%x"):
            kept.delete(name)

    assert found.pop("prod:a-to-b:data_x") is None
    assert found == {name: {"completed": {"name": name}, "partial": {}} for name in names[1:]}
