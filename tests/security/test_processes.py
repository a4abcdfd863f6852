"""Each process of a run has the secrets that it needs, and no other; nothing writes one down.

Secrets are planted in every place. A foreign tap and the model of a user look for them, in
processes, files, variables and connections; then everything is searched that was written.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from support.canaries import Files, spellings
from support.hostile_taps import STORE_PASSWORD, Processes, installed

LOG = "run.log"
PROXY = "http://ann:canary@127.0.0.1:9"
# What code of a tap can take from the account that it runs as, and from what it was given.
LOOK = """
    import resource, time
    limits = [resource.getrlimit(resource.RLIMIT_CORE)[1], os.environ.get("HTTPS_PROXY")]
    (folder / "limits.json").write_text(json.dumps(limits))
    loot = {"environment": dict(os.environ)}
    work = Path(sys.argv[sys.argv.index("--config") + 1])
    places = {Path(os.environ["MELTANO_SYS_DIR_ROOT"]).parent, Path(os.environ["HOME"]) / "home"}

    def read(path, most=1_000_000):
        try:
            if Path(path).is_file():  # no pipe, which would hold us up
                with open(path, "rb") as file:
                    return file.read(most).decode(errors="replace")
        except OSError:
            pass
        return ""

    until = time.monotonic() + 4
    while time.monotonic() < until:  # the loader starts at the same moment
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if int(pid) != os.getpid():
                for what in ("environ", "cmdline"):
                    loot[f"{what} of {pid}"] = read(f"/proc/{pid}/{what}")
                for number in range(3, 12):
                    loot[f"{number} of {pid}"] = read(f"/proc/{pid}/fd/{number}", 10_000)
        time.sleep(0.1)
    for place in places:
        for root, _, names in os.walk(place):
            for name in names:
                if (Path(root) / name).is_file():
                    loot[str(Path(root, name))] = read(Path(root, name))
    (folder / "loot.json").write_text(json.dumps(loot))
    signalled = []
    try:
        os.kill(os.getppid(), 0)
    except OSError:
        signalled.append("refused")
    (folder / "signalled.json").write_text(json.dumps(signalled))
"""
# What Jinja of a model can take from dbt. Each is tried by itself: what is refused ends a model.
JINJA = {
    "variables": "{% for name in ['TAP_SPY_KEY', 'TARGET_SCOUT_POSTGRES_DATABASE_URL',"
    " 'PGPASSWORD', 'TARGET_SCOUT_POSTGRES_PASSWORD', 'SCOUT_DATABASE_URL',"
    " 'SCOUT_ENCRYPTION_KEYS', 'MELTANO_DATABASE_URI', 'PGPASSFILE', 'HTTPS_PROXY'] %}"
    "{{ env_var(name, 'none') }} {% endfor %}",
    "secret": "{{ env_var('DBT_ENV_SECRET_PGPASSWORD') }}",
    "target": "{{ target }} {{ target.get('password') }} {{ target.get('pass') }}",
    "credentials": "{{ adapter.config.credentials.password }} {{ adapter.config.credentials }}",
    "connection": "{{ adapter.add_query('select 1')[0].handle.info.password }}",
    "cursor": "{{ adapter.add_query('select 1')[1].connection.info.password }}",
    "dsn": "{{ adapter.add_query('select 1')[0].handle.dsn }}"
    "{{ adapter.add_query('select 1')[0].handle.get_dsn_parameters() }}",
    "held": "{{ adapter.add_query('select 1')[0].credentials.password }}"
    "{{ adapter.add_query('select 1')[0].credentials }}",
    "around": "{{ flags }} {{ invocation_args_dict }} {{ builtins }} {{ dbt_metadata_envs }}"
    " {{ context.keys() if context is defined }}",
    "server": "{{ run_query('select setting from pg_settings').columns[0].values() | join }}",
}


@pytest.fixture(scope="module")
def installation(postgres, tmp_path_factory):
    with installed(postgres, tmp_path_factory.mktemp("processes")) as made:
        yield made


@pytest.fixture(scope="module")
def looked(installation):
    """One run under attack, and all that was seen of it."""
    custom = installation.settings.project_root / "transform/models/custom"
    for name, jinja in JINJA.items():
        code = "{{ config(materialized='table') }}\nselect $steal$" + jinja + "$steal$ as loot\n"
        (custom / f"loot_{name}.sql").write_text(code)
    dataset = installation.dataset("river")
    dataset.does(LOOK)
    secrets = {
        "login": dataset.key,
        "store": STORE_PASSWORD,
        "keys": str(installation.settings.encryption_keys),
    }
    written = {word for secret in secrets.values() for word in spellings(secret)}
    with (
        Processes(secrets | {"proxy": "ann:canary@"}) as processes,
        Files([installation.folder], written) as files,
    ):
        done = installation.run(dataset, "--log-file", LOG, HTTPS_PROXY=PROXY, NO_PROXY="*")
    (run,) = installation.scout.runs.list()
    return {
        "dataset": dataset,
        "done": done,
        "run": run,
        "processes": processes,
        "files": files,
        "loot": json.loads((dataset.folder / "loot.json").read_text()),
    }


def test_the_run_loads_and_a_model_that_was_refused_is_named(looked):
    assert looked["run"].status == "completed", looked["done"].stderr
    for name in ("secret", "connection", "cursor"):
        assert f"model loot_{name}: " in looked["run"].transform_error
    assert "loot_variables" not in looked["run"].transform_error


def test_a_foreign_tap_gets_its_login_in_its_configuration_as_meltano_writes_it(looked):
    (told,) = looked["dataset"].told

    assert told["key"] == looked["dataset"].key
    assert told["config"]["key"] == looked["dataset"].key
    assert told["config"]["deep"] == {"number": 7}
    assert told["config"]["open"] is True


def test_each_secret_is_in_no_process_but_the_one_that_it_is_for(looked):
    holders = looked["processes"].holders

    assert {Path(argv.split()[1]).name for argv in holders["login"]} == {"tap-spy"}
    for secret in ("store", "keys"):
        assert [argv for argv in holders[secret] if "scout_control run" not in argv] == []


def test_the_password_of_a_run_is_in_the_environment_of_the_loader_alone(looked, installation):
    mine = f"SCOUT_DATASET_SCHEMA={looked['dataset'].schema}".encode()
    environments = {
        argv: seen for argv, seen in looked["processes"].environments.items() if mine in seen
    }
    (password,) = {
        urlsplit(line.split("=", 1)[1]).password
        for argv, seen in environments.items()
        if "target-scout-postgres" in argv
        for line in seen.decode(errors="replace").split("\0")
        if line.startswith("TARGET_SCOUT_POSTGRES_DATABASE_URL=")
    }
    words = spellings(password)
    holders = [argv for argv, seen in environments.items() if any(word in seen for word in words)]

    assert any("scout-dbt" in argv for argv in environments)
    assert all("target-scout-postgres" in argv for argv in holders)
    assert not [word for word in words if word in json.dumps(looked["loot"]).encode()]
    assert not [word for word in words if word in installation.everything()]
    written = [path for path in installation.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if any(word in path.read_bytes() for word in words)]


def test_a_tap_finds_no_secret_of_others_in_processes_and_files(looked, installation):
    loot = json.dumps(looked["loot"])

    for secret in (STORE_PASSWORD, str(installation.settings.encryption_keys)):
        assert secret not in loot
        assert quote(secret, safe="") not in loot
    environment = looked["loot"]["environment"]
    for name in ("MELTANO_DATABASE_URI", "MELTANO_STATE_BACKEND_URI", "SCOUT_DATABASE_URL"):
        assert name not in environment
    assert not [name for name in environment if name.startswith("TARGET_")]


def test_no_secret_is_written_into_a_file_or_a_table(looked, installation):
    said = looked["done"].stdout + looked["done"].stderr
    log = (installation.folder / LOG).read_text()
    secrets = (looked["dataset"].key, STORE_PASSWORD, str(installation.settings.encryption_keys))
    everything = installation.everything() + (said + log).encode()
    ours = {str(looked["dataset"].folder / name) for name in ("told", "loot.json")}

    assert len(looked["files"].seen) > 20
    assert looked["files"].found <= ours  # where the tap itself put what it was given
    for secret in secrets:
        assert not [word for word in spellings(secret) if word in everything]


def test_no_process_of_a_run_leaves_a_core_or_finds_the_proxy_of_another(looked):
    limits = json.loads((looked["dataset"].folder / "limits.json").read_text())
    holders = looked["processes"].holders["proxy"]

    assert limits == [0, PROXY]
    holders = [argv for argv in holders if "scout_control run" not in argv]
    assert {Path(argv.split()[1]).name for argv in holders} == {"tap-spy"}
