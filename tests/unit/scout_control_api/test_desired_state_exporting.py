"""What is exported is applied without a change, whatever names and values there are."""

from __future__ import annotations

from pathlib import Path

import jsonschema
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scout_control.api.desired_state import exporting, files, settings, yaml_documents
from scout_control.api.desired_state.building import Builder
from scout_control.api.desired_state.items import Actual, Item, Key, Kind
from scout_control.api.desired_state.planning import make_plan
from scout_control.api.desired_state.references import Secrets
from scout_control.api.desired_state.schema import json_schema
from scout_control.meltano.project import Plugins
from scout_control.rules import alias_names

ROOT = Path(__file__).parents[3]
PLUGINS = Plugins(ROOT)
COMMCARE = PLUGINS.source_type("tap-commcare")
SCHEMA = jsonschema.Draft202012Validator(json_schema())
ODD = [
    "no",
    "08",
    "1e3",
    "12:30",
    "~",
    "on",
    "2026-01-31",
    "- a",
    "#x",
    "x-y",
    "{a: b}",
    "0",
    "a: b",
]
CHARACTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0/")
# YAML cannot contain every character, even in quotes; names with them are refused by Postgres.
TEXTS = st.one_of(st.sampled_from(ODD), st.text(CHARACTERS, min_size=1, max_size=9))
SECRETS = st.sampled_from(["k1", "k2", "no", "ü\n"])
# A link may not set what looks like an address or a path.
WORDS = st.sampled_from(["no", "08", "1e3", "2026-01-31", "river", "a b", "ü"])
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "domain": st.sampled_from(["no", "08", "1e3", "river-2"]),
        "page_size": st.integers(1, 9),
        "case_types": st.lists(WORDS, max_size=2),
        "include_archived": st.booleans(),
    },
)
RULES = st.sampled_from([{}, {"cases": ["case_name"], "forms": ["a.b", "c"]}])
KEEPS = st.sampled_from([None, "forever", "30d", "24h", "800001h"])
STREAMS = st.lists(st.sampled_from(sorted(COMMCARE.streams)), max_size=2, unique=True).map(sorted)


def connections():
    return st.fixed_dictionaries(
        {
            "description": st.one_of(st.just(""), TEXTS),
            "host": st.sampled_from(["db.test", "no", "1e3", "ü", "a b", "::1", "/run/Pg"]),
            "port": st.integers(1, 65535),
            "database": TEXTS,
            "sslmode": st.sampled_from([None, "require"]),
            "parameters": st.sampled_from([{}, {"sslrootcert": "/c a.pem", "sslsni": "1"}]),
        }
    )


@st.composite
def states(draw):
    """Return what an installation could hold."""
    items = {Key(Kind.CONNECTION, "default"): Item(fields={"host": None}, is_kept=True)}
    for name in draw(st.lists(TEXTS.filter(lambda each: each != "default"), max_size=2)):
        login = {"user": draw(TEXTS), "password": draw(SECRETS)}
        items[Key(Kind.CONNECTION, name)] = Item(fields=draw(connections()), secrets=login)
    sources = draw(st.lists(TEXTS, max_size=3, unique=True))
    projects = draw(st.lists(TEXTS, max_size=4, unique=True))
    for name in sources:
        add_source(draw, items, name)
    databases = [key.name for key in items if key.kind == Kind.CONNECTION]
    for name in projects:
        fields = {"name": draw(TEXTS), "connection": draw(st.sampled_from(databases))}
        items[Key(Kind.PROJECT, name)] = Item(fields={**fields, "db_schema": draw(TEXTS)})
    for project in projects:
        for source in sources:
            add_use(draw, items, project, source)
    return items


def add_source(draw, items, name):
    fields = {
        "type": COMMCARE.name,
        "base_url": draw(st.sampled_from([None, "https://hq.example.org"])),
        "config": draw(SETTINGS),
        "streams": draw(STREAMS),
        "exclude": draw(RULES),
        "hash": {},
        "client_id": draw(st.one_of(st.none(), TEXTS)),
    }
    secrets = draw(st.one_of(st.just({}), st.fixed_dictionaries({"client_secret": SECRETS})))
    address = settings.address(fields, COMMCARE)
    items[Key(Kind.SOURCE, name)] = Item(fields=fields, secrets=secrets, address=address)


def add_use(draw, items, project, source):
    if draw(st.booleans()):
        fields = {
            "mode": draw(st.sampled_from(["project", "user"])),
            "interval": draw(st.sampled_from([1, 6, 24, 48, 168, 8784])),
            "streams": draw(STREAMS),
            "exclude": {},
            "hash": draw(RULES),
            "config": draw(SETTINGS),
        }
        items[Key.of(Kind.LINK, project, source)] = Item(fields=fields)
        if fields["mode"] == "project":
            readers = sorted(draw(st.lists(TEXTS, max_size=2, unique=True)))
            dataset = {"readers": readers, "keep": draw(KEEPS), "paused": draw(st.booleans())}
            default = next(alias_names.candidates([project, source]))
            dataset["alias"] = draw(st.sampled_from([None, default, f"{default}_own"]))
            items[Key.of(Kind.DATASET, project, source)] = Item(fields=dataset)
    if draw(st.booleans()):
        kind, secrets = draw(
            st.sampled_from(
                [
                    ("api_key", {"username": "me", "api_key": "k1"}),
                    ("api_key", {"username": "no", "api_key": "k1"}),
                    ("username_password", {"username": "me", "password": "p"}),
                    ("token", {"access_token": "t"}),
                    ("oauth2", {"refresh_token": "r", "access_token": "t"}),
                ]
            )
        )
        items[Key.of(Kind.CREDENTIAL, project, source)] = Item(
            fields={"kind": kind},
            secrets=secrets,
            address=items[Key(Kind.SOURCE, source)].address,
        )


def plan_of_its_export(items):
    """Return the plan, with pruning, of applying the export of a state to the state itself."""
    actual = Actual(items=items)
    exported = exporting.export(actual)
    environment = {
        name: items[key].secrets[secret] for name, (key, secret) in exported.variables.items()
    }
    merged = files.merge([yaml_documents.parse(exported.as_yaml(), "exported.yaml", Path())])
    builder = Builder(
        files=merged,
        actual=actual,
        find_type=PLUGINS.source_type,
        secrets=Secrets(environment),
        is_pruning=True,
    )
    return make_plan(builder.build(), items, merged.is_prunable), exported


@hypothesis_settings(max_examples=50)
@given(states())
def test_an_export_is_applied_without_a_change(items):
    plan, exported = plan_of_its_export(items)

    assert plan.changes == ()
    assert plan.notes == ()
    SCHEMA.validate(exported.document)


def credential(project, key):
    name = Key.of(Kind.CREDENTIAL, project, "hq-1")
    return {name: Item(fields={"kind": "api_key"}, secrets={"username": "me", "api_key": key})}


def test_projects_that_share_an_account_share_an_entry_and_names_of_variables_are_unique():
    sources = {
        Key(Kind.SOURCE, name): Item(
            fields={"type": "t", "config": {}, "streams": []}, secrets={"client_secret": "s"}
        )
        for name in ("hq-1", "hq_1", "1")
    }
    items = {**sources, **credential("a", "k"), **credential("b", "k"), **credential("c", "other")}
    exported = exporting.export(Actual(items=items))

    assert [(each["projects"], each["api_key"]) for each in exported.document["credentials"]] == [
        (["a", "b"], {"env": "HQ_1_API_KEY"}),
        (["c"], {"env": "HQ_1_API_KEY_2"}),
    ]
    assert {*exported.variables} == {
        *("HQ_1_CLIENT_SECRET", "HQ_1_CLIENT_SECRET_2", "_1_CLIENT_SECRET"),
        *("HQ_1_API_KEY", "HQ_1_API_KEY_2"),
    }


def test_an_export_holds_no_secret_and_says_what_it_leaves_out():
    fields = {"type": "t", "config": {}, "streams": []}
    items = {
        Key(Kind.SOURCE, "hq"): Item(fields=fields, secrets={"client_secret": "canary"}),
        Key.of(Kind.CREDENTIAL, "river", "hq"): Item(
            fields={"kind": "settings"}, secrets={"key": "canary"}
        ),
        Key.of(Kind.CREDENTIAL, "lake", "hq"): Item(fields={"kind": "token"}, secrets=None),
        Key.of(Kind.CREDENTIAL, "hill", "hq"): Item(fields={"kind": "none"}),
    }
    exported = exporting.export(Actual(items=items, omitted="3 credentials of users"))
    text = exported.as_yaml()

    assert "canary" not in text + repr(exported)
    assert "# Left out: 3 credentials of users" in text
    assert [each["kind"] for each in exported.document["credentials"]] == ["settings", "token"]
    for name in exported.variables:
        assert f"#   {name}\n" in text
