"""Files are checked against the plugins and what there is, before anything is changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scout_control.api.desired_state import files, yaml_documents
from scout_control.api.desired_state.building import Builder
from scout_control.api.desired_state.items import Actual, Item, Key, Kind
from scout_control.api.desired_state.problems import InvalidStateError
from scout_control.api.desired_state.references import Secrets
from scout_control.meltano.project import Plugins

ROOT = Path(__file__).parents[3]
PLUGINS = Plugins(ROOT)
EXISTING = Item(
    fields={"type": "tap-commcare", "base_url": None, "config": {}, "streams": []},
    address={"tap": "tap-commcare"},
)
ACTUAL = {
    Key(Kind.CONNECTION, "default"): Item(fields={"host": None}, is_kept=True),
    Key(Kind.SOURCE, "old"): EXISTING,
    Key(Kind.PROJECT, "lake"): Item(fields={"name": "lake", "connection": "default"}),
}
LINKED = (
    "sources: {hq: {type: commcare, config: {domain: d}}}\n"
    "projects:\n  river:\n    sources:\n      hq: "
)


def build(text, actual=None, *, pruning=False, data=(), catalog=None, own=(), **environment):
    document = yaml_documents.parse(text, "a.yaml", Path())
    builder = Builder(
        files=files.merge([document]),
        actual=actual or Actual(items=dict(ACTUAL), projects_with_data=frozenset(data)),
        find_type=PLUGINS.source_type,
        secrets=Secrets(environment),
        is_pruning=pruning,
        find_catalog=lambda _: catalog or {},
        find_own_roles=lambda named: {each: "is Scout's" for each in own if each in named},
    )
    return {str(key): item for key, item in builder.build().items()}


def mistakes(text, **options):
    with pytest.raises(InvalidStateError) as caught:
        build(text, **options)
    assert "canary" not in "".join(caught.value.details)
    return list(caught.value.details)


def test_a_project_becomes_items_with_canonical_values():
    items = build(
        "sources: {hq: {type: commcare, config: {domain: 5}, streams: [forms, cases, cases]}}\n"
        "projects: {river: {sources: {hq: {interval: 2d, streams: [users], readers: [b, a]}}}}"
    )

    assert items["source hq"].fields == {
        "type": "tap-commcare",
        "base_url": None,
        "config": {"domain": "5"},
        "streams": ["cases", "forms"],
        "exclude": {},
        "hash": {},
        "client_id": None,
    }
    assert items["source hq"].address["base_url"] == "https://www.commcarehq.org:443"
    assert items["project river"].fields["name"] == "river"
    assert items["link river/hq"].fields["interval"] == 48
    assert items["dataset river/hq"].fields == {"readers": ["a", "b"], "keep": None}


def test_an_alias_is_managed_only_where_it_is_written():
    assert build(LINKED + "{alias: water}")["dataset river/hq"].fields["alias"] == "water"
    assert "alias" not in build(LINKED + "{}")["dataset river/hq"].fields


def test_a_link_of_mode_user_has_no_dataset():
    assert "dataset river/hq" not in build(LINKED + "{mode: user}")


def test_a_connection_is_the_same_by_url_and_by_its_parts():
    parts = "{host: db, port: 6000, user: u, password: {env: P}, database: d, sslmode: require}"
    by_parts = build(f"connections: {{w: {parts}}}", P="p@/")
    by_url = build(
        "connections: {w: {url: {env: U}}}", U="postgresql://u:p%40%2F@db:6000/d?sslmode=require"
    )

    assert by_parts == by_url
    assert by_url["connection w"].secrets == {"user": "u", "password": "p@/"}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("sources:\n  hq: {type: comcare}", 2, "sources.hq.type is wrong."),
        (
            "sources:\n  hq:\n    type: commcare\n    config: {domian: x}",
            4,
            "sources.hq.config.domian is not a setting of tap-commcare. Did you mean domain?",
        ),
        (
            "sources:\n  hq:\n    type: commcare\n    config:\n      page_size: many",
            5,
            "config.page_size is wrong.",
        ),
        (
            "sources:\n  hq: {type: commcare, config: {api_key: canary}}",
            2,
            "config.api_key is wrong. api_key is a secret",
        ),
        (
            "sources:\n  hq: {type: commcare, config: {client_secret: canary}}",
            2,
            "client_secret is a secret",
        ),
        (
            "sources:\n  hq: {type: commcare, base_url: 'https://u:canary@x.org'}",
            2,
            "base_url is wrong. The base URL contains a user or password.",
        ),
        ("sources:\n  hq: {type: commcare, base_url: http://x.org}", 2, "must use https"),
        ("sources:\n  hq: {type: commcare, config: {datasets: [x]}}", 2, "is written as streams"),
        ("sources:\n  hq: {type: commcare, config: {domain: }}", 2, "domain is empty."),
        (
            "sources:\n  hq:\n    type: commcare\n    streams:\n    - cases\n    - form",
            6,
            "streams[1] is not a stream of tap-commcare. Did you mean forms?",
        ),
        ("sources:\n  old: {type: commcare-connect}", 2, "type cannot change: it is tap-commcare."),
        (LINKED + "{config: {base_url: 'https://x.org'}}", 5, "is a setting of the source"),
        (LINKED + "{config: {credential_file: /tmp/x}}", 5, "is a setting of the source"),
        (LINKED + "{config: {app_ids: 5}}", 5, "app_ids is wrong."),
        (LINKED + "{interval: 9999w}", 5, "interval is wrong."),
        (LINKED + "{keep: 9999999w}", 5, "keep is wrong."),
        (LINKED + "{alias: River Health}", 5, "alias must consist of the letters a to z"),
        (LINKED + "{alias: select}", 5, "alias "),
        (LINKED + "{readers: [a, pg_monitor]}", 5, "readers has pg_monitor, which is a role of"),
        (LINKED + "{readers: [public]}", 5, "readers has public, which does not name one role."),
        ("projects:\n  r: {db_schema: pg_temp}", 2, "db_schema must not be a schema of Postgres"),
        ("projects:\n  r: {db_schema: scout_control}", 2, "db_schema must not be a schema of"),
        (
            LINKED + "{alias: water}\n  lake: {sources: {hq: {alias: water}}}",
            6,
            "alias is water, which another dataset has here, too.",
        ),
        (
            "projects:\n  river:\n    sources:\n      olt: {}",
            4,
            "refers to the source olt, which does not exist. Did you mean old?",
        ),
        (
            "projects:\n  river: {connection: defualt}",
            2,
            "refers to the connection defualt, which does not exist. Did you mean default?",
        ),
        (
            "connections:\n  default: {url: {env: U}}",
            2,
            "connections.default is the database of the store itself.",
        ),
        (
            "connections:\n  w: {url: {env: CANARY}}",
            2,
            "connections.w.url refers to a wrong value. This is not a Postgres URL",
        ),
        (
            "credentials:\n- {source: none, projects: all, kind: oauth2}",
            2,
            "credentials[0].source refers to the source none, which does not exist.",
        ),
        (
            "credentials:\n- {source: old, projects: [laek], kind: oauth2}",
            2,
            "refers to the project laek, which does not exist. Did you mean lake?",
        ),
        (
            "credentials:\n- source: old\n  kind: settings\n  projects: [lake]\n"
            "  settings: {k: {env: K}}",
            3,
            "kind does not suit tap-commcare.",
        ),
        (
            "credentials:\n- source: old\n  projects: [lake]\n  kind: token\n"
            "  access_token: {env: NOPE}",
            5,
            "access_token needs the environment variable NOPE, which is not set.",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(text, line, said):
    [found] = mistakes(text, U="postgresql://u:p@h/d", CANARY="canary", K="canary")

    assert found.startswith(f"a.yaml, line {line}: ")
    assert said in found


def test_a_required_setting_is_in_a_link_or_its_source():
    without = LINKED.replace(", config: {domain: d}", "")

    assert build(without + "{config: {domain: river}}")
    assert build(LINKED + "{}")
    [found] = mistakes(without + "{}")
    assert found.startswith("a.yaml, line 5: projects.river.sources.hq lacks the setting domain")
    [found] = mistakes("sources:\n  hq: {type: commcare}")
    assert found.startswith("a.yaml, line 2: sources.hq lacks the setting domain")
    assert build("projects: {lake: {sources: {old: {config: {domain: d}}}}}")


WITH, WITHOUT = {"config": {"domain": "d"}}, {"config": {}}
SOURCE, LINK = Key(Kind.SOURCE, "hq"), Key(Kind.LINK, "river/hq")
PROJECT = Key(Kind.PROJECT, "river")
BARE = "sources: {hq: {type: commcare}}\n"


def having(source, link=None, *, is_active=True):
    """Return what there is: a source, and perhaps a link to it."""
    fields = {**EXISTING.fields, **source}
    items = {**ACTUAL, SOURCE: Item(fields=fields), PROJECT: ACTUAL[Key(Kind.PROJECT, "lake")]}
    if link is not None:
        items[LINK] = Item(fields=link, is_active=is_active)
    return Actual(items=items)


@pytest.mark.parametrize(
    ("actual", "files", "mistake"),
    [
        (having(WITH, WITHOUT), BARE, "sources.hq lacks the setting domain"),
        (having(WITH, WITH), BARE, None),  # moved to its link
        (having(WITH, WITH, is_active=False), BARE, "sources.hq lacks"),
        (having(WITH), BARE, "sources.hq lacks"),
        (having(WITHOUT, WITHOUT), BARE, None),  # as usable as before
        (having(WITH, WITHOUT), BARE + "projects: {river: {sources: {hq: {}}}}", "river.sources"),
        (
            having(WITH, WITHOUT),
            BARE + "projects: {river: {sources: {hq: {config: {domain: x}}}}}",
            None,
        ),
        (having(WITHOUT, WITHOUT), "projects: {river: {sources: {hq: {interval: 2h}}}}", None),
        (having(WITHOUT, WITH), "projects: {river: {sources: {hq: {}}}}", "river.sources.hq lacks"),
    ],
)
def test_what_a_source_loses_its_links_must_supply(actual, files, mistake):
    if mistake is None:
        assert build(files, actual)
    else:
        assert mistake in mistakes(files, actual=actual)[0]


def test_columns_that_must_not_arrive_are_checked():
    rules = "{exclude: {cases: [b, a, a]}, hash: {forms: []}}"
    fields = build(LINKED + rules)["link river/hq"].fields

    assert (fields["exclude"], fields["hash"]) == ({"cases": ["a", "b"]}, {})
    [found] = mistakes(LINKED + "{exclude: {case: [a]}}")
    assert "exclude.case is wrong." in found
    assert "Did you mean cases?" in found
    [found] = mistakes(LINKED + "{hash: {cases: [a..b]}}")
    assert "hash.cases is wrong." in found


@pytest.mark.parametrize("name", ["-x", " x", "a\u202eb", "6f1a4e0c-98a5-4b2c-9c37-0a8a6a1f0b11"])
def test_a_name_that_commands_could_not_take_is_refused_for_something_new(name):
    [found] = mistakes(f"sources: {{{json.dumps(name)}: {{type: commcare-connect}}}}")

    assert "is not a possible name." in found


def test_all_mistakes_are_named_at_once_and_one_for_forty_projects_once():
    projects = "\n".join(f"  p{n}: {{sources: {{old: {{}}}}}}" for n in range(40))
    found = mistakes(
        f"projects:\n{projects}\n  q: {{connection: x, sources: {{y: {{}}}}}}\n"
        "credentials:\n- {source: old, projects: all, kind: token, access_token: {env: NOPE}}"
    )

    assert [each.split(": ")[0] for each in found] == ["a.yaml, line 42"] * 2 + ["a.yaml, line 44"]


def test_a_project_with_data_does_not_move_to_another_database():
    moved = "connections: {w: {url: {env: U}}}\nprojects:\n  lake: {connection: w}"
    url = "postgresql://u:p@h/d"

    assert "project lake" in build(moved, U=url)
    [found] = mistakes(moved, data=["lake"], U=url)
    assert "projects.lake.connection cannot change: there is data in default." in found


def test_what_pruning_would_remove_cannot_be_referred_to():
    text = "sources: {}\nprojects:\n  river: {sources: {old: {config: {domain: d}}}}"

    assert "link river/old" in build(text)
    [found] = mistakes(text, pruning=True)
    assert (
        "refers to the source old, which --prune would remove. Describe it under sources." in found
    )


def test_streams_are_checked_against_what_discovery_found_where_the_type_declares_none():
    toy = Plugins.__new__(Plugins)
    toy._file = ROOT / "meltano.yml"
    toy._document = {"plugins": {"extractors": [{"name": "tap-toy"}]}}
    text = "projects:\n  lake: {sources: {toy: {streams: [thing]}}}"
    fields = {"type": "tap-toy", "base_url": None, "config": {}, "streams": []}
    items = {**ACTUAL, Key(Kind.SOURCE, "toy"): Item(fields=fields)}

    def builder(known):
        document = yaml_documents.parse(text, "a.yaml", Path())
        return Builder(
            files=files.merge([document]),
            actual=Actual(items=items),
            find_type=toy.source_type,
            secrets=Secrets({}),
            find_catalog=lambda name: known.get(name, {}),
        )

    assert builder({}).build()
    with pytest.raises(InvalidStateError) as caught:
        builder({"toy": {"things": {}}}).build()
    assert "Did you mean things?" in caught.value.details[0]


CATALOG = {
    "cases": {"key": ["case_id"], "schema": {"properties": {"case_id": {}, "properties": {}}}},
    "users": {"key": ["id"], "schema": {"properties": {"id": {}, "email": {}}}},
}
OF_SOURCE = "sources:\n  old:\n    type: commcare\n    config: {domain: d}\n    "
OF_LINK = "projects:\n  lake:\n    sources:\n      old:\n        config: {domain: d}\n        "


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("exclude: {cases: [propertis.village]}", "no column propertis. Did you mean properties?"),
        ("hash: {users: [emial]}", "hash_columns: users has no column emial. Did you mean email?"),
        ("exclude: {cases: [case_id]}", "case_id is the key of cases"),
    ],
)
@pytest.mark.parametrize("owner", [OF_SOURCE, OF_LINK])
def test_rules_are_checked_against_the_columns_that_discovery_found(owner, rules, said):
    [found] = mistakes(owner + rules, catalog=CATALOG)
    assert found.startswith(f"a.yaml, line {5 if owner == OF_SOURCE else 6}: ")
    assert said in found
    assert build(owner + rules)


def test_rules_that_were_accepted_before_discovery_stay_as_they_are():
    rules = {"exclude": {"cases": ["typo"]}, "hash": {}}
    actual = Actual(
        items={
            **ACTUAL,
            Key(Kind.LINK, "lake/old"): Item(fields={"config": {"domain": "d"}, **rules}),
        }
    )
    assert build(OF_LINK + "exclude: {cases: [typo]}", actual, catalog=CATALOG)
    [found] = mistakes(OF_LINK + "exclude: {cases: [typo, other]}", actual=actual, catalog=CATALOG)
    assert "cases has no column other." in found


def test_names_that_something_else_has_are_mistakes():
    actual = Actual(
        items=dict(ACTUAL),
        aliases={"water": "lake/old"},
        dataset_schemas=frozenset({"lake_old", "water"}),
    )

    def found(text):
        return mistakes(text, actual=actual, own={"lake_old_reader"})

    [taken] = found(LINKED + "{alias: water}")
    assert taken.endswith("alias is water, which the dataset lake/old has.")
    [schema] = found("projects:\n  river: {db_schema: lake_old}")
    assert schema.endswith("db_schema must not be a schema of a dataset.")
    [reader] = found(LINKED + "{readers: [lake_old_reader]}")
    assert reader.endswith("readers has lake_old_reader, which is Scout's.")
    kept = "projects: {lake: {sources: {old: {alias: water, config: {domain: d}}}}}"
    assert build(kept, actual)
