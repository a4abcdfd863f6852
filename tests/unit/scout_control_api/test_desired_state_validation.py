"""Mistakes in files are named with their line and a suggestion, and never quote a secret."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from scout_control.api.desired_state import files, yaml_documents
from scout_control.api.desired_state.items import Key, Kind
from scout_control.api.desired_state.problems import InvalidStateError
from scout_control.api.desired_state.schema import json_schema

SECRET = "canary-7f3a"
GOOD = """
x-usual: &usual {interval: 6h, streams: [cases]}
connections:
  warehouse: {url: {env: WAREHOUSE_URL}}
  other: {host: db.example.org, user: scout, password: {file: pw}, sslmode: verify-full}
sources:
  hq: {type: commcare, config: {domain: river}, client_id: id, client_secret: {env: S}}
projects:
  river: {connection: warehouse, sources: {hq: {<<: *usual, readers: [analyst], paused: true}}}
  lake: {name: The Lake, sources: {hq: {mode: user}}}
credentials:
- {source: hq, projects: all, kind: api_key, username: me, api_key: {command: [pass, hq]}}
- {source: toy, projects: [river], kind: settings, settings: {key: {env: TOY}}}
- {source: connect, projects: [river], kind: oauth2}
"""


def merged(*texts):
    documents = [
        yaml_documents.parse(text, f"{name}.yaml", Path())
        for name, text in zip("abcdef", texts, strict=False)
    ]
    return files.merge(documents)


def mistakes(*texts):
    with pytest.raises(InvalidStateError) as caught:
        merged(*texts).check()
    assert SECRET not in str(caught.value) + "".join(caught.value.details)
    return list(caught.value.details)


def test_a_complete_file_is_accepted_by_us_and_by_the_published_schema():
    found = merged(GOOD)

    assert set(found.projects) == {"river", "lake"}
    assert found.projects["river"].value.sources["hq"].interval == "6h"
    jsonschema.validate(yaml_documents.parse(GOOD, "a", Path()).data, json_schema())


OF_SEVERAL_FIELDS = [
    "connections:\n  w: {host: h, user: u}",
    "connections:\n  w: {url: {env: A}, port: 5}",
    "credentials:\n- {source: hq, projects: all, kind: token}",
    "projects:\n  r:\n    sources:\n      hq: {mode: user, readers: [a]}",
    "credentials:\n- {source: hq, projects: all, kind: oauth2, username: x}",
]
# A mistake, its line, and what is said about it.
MISTAKES = [
    ("conections: {}", 1, "conections is unknown. Did you mean connections?"),
    ("sources:\n  hq: {type: x, typ: x}", 2, "sources.hq.typ is unknown. Did you mean type?"),
    ("sources:\n  hq: {}", 2, "sources.hq.type is missing."),
    ("sources:\n  hq: {type: 5}", 2, "sources.hq.type must be text. Put it in quotes."),
    ("sources:\n  a/b: {type: x}", 2, "sources.a/b is a name, which cannot contain a slash."),
    ("projects:\n  river:", 2, "projects.river is empty."),
    ("projects:", 1, "projects is empty."),
    ("- river", 1, "The document must be a mapping."),
    ("projects: [river]", 1, "projects must be a mapping."),
    ("projects:\n  r:\n    sources:\n      hq: {interval: 30m}", 4, "interval must be hours, days"),
    ("projects:\n  r:\n    sources:\n      hq: {interval: 6}", 4, "interval must be hours, days"),
    ("projects:\n  r:\n    sources:\n      hq: {keep: always}", 4, "or forever."),
    ("projects:\n  r:\n    sources:\n      hq: {mode: team}", 4, "must be 'project' or 'user'."),
    ("projects:\n  r:\n    sources:\n      hq: {paused: 1}", 4, "paused must be true or false."),
    ("projects:\n  r:\n    sources:\n      hq: {interal: 6h}", 4, "Did you mean interval?"),
    (
        OF_SEVERAL_FIELDS[3],
        4,
        "has mode user: alias, readers, paused and keep are set for each user's dataset.",
    ),
    (OF_SEVERAL_FIELDS[0], 2, "needs url; or host, user and password."),
    (OF_SEVERAL_FIELDS[1], 2, "has a url, which already says: port."),
    ("connections:\n  w: {host: h, user: u, port: 0, password: {env: A}}", 2, "is too small."),
    ("credentials:\n- {source: hq, projects: al, kind: oauth2}", 2, "a list of projects, or all."),
    ("credentials:\n- {source: hq, projects: all, kind: key}", 2, "kind must be 'api_key', "),
    (OF_SEVERAL_FIELDS[2], 2, "lacks access_token."),
    (
        OF_SEVERAL_FIELDS[4],
        2,
        "has kind oauth2, which has no username.",
    ),
]


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES, ids=[each[2] for each in MISTAKES])
def test_a_mistake_is_named_with_its_line(text, line, said):
    [found] = mistakes(text)

    assert found.startswith(f"a.yaml, line {line}: ")
    assert said in found


@pytest.mark.parametrize("text", [text for text, *_ in MISTAKES if text not in OF_SEVERAL_FIELDS])
def test_the_published_schema_finds_the_same_mistakes_but_rules_over_several_fields(text):
    data = yaml_documents.parse(text, "a", Path()).data

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, json_schema())


API_KEY = "credentials:\n- {{source: hq, projects: all, kind: api_key, username: me, api_key: {}}}"


@pytest.mark.parametrize(
    "text",
    [
        API_KEY.format(SECRET),
        API_KEY.format(f"[{SECRET}]"),
        API_KEY.format(f"{{{SECRET}}}"),
        API_KEY.format(f"{{value: {SECRET}}}"),
        API_KEY.format(f"{{env: {SECRET}}}"),
        API_KEY.format(f"{{env: A, file: {SECRET}}}"),
        API_KEY.format(f"{{command: {SECRET}}}"),
        f"credentials:\n- {{source: hq, projects: all, kind: settings, settings: {{k: {SECRET}}}}}",
        f"sources: {{hq: {{type: commcare, client_secret: {SECRET}}}}}",
        f"connections: {{w: {{url: 'postgresql://u:{SECRET}@h/d'}}}}",
        f"connections: {{w: {{host: h, user: u, password: {SECRET}}}}}",
    ],
)
def test_a_secret_in_a_file_is_refused_and_not_repeated(text):
    found = mistakes(text)

    assert all(each.startswith("a.yaml, line ") for each in found)


def test_a_secret_that_yaml_readers_take_differently_is_not_repeated_either():
    assert all("1e3" not in each for each in mistakes(API_KEY.format("1e3")))


def test_what_two_files_describe_is_a_mistake_that_names_both():
    first = "x-a: b\nprojects:\n  river: {}\n"
    second = "projects:\n  lake: {}\n  river: {name: Other}\n"

    assert mistakes(first, second) == [
        "b.yaml, line 3: projects.river is already described: projects.river in a.yaml, line 3. "
        "Keep one of them."
    ]


def test_several_files_are_merged():
    found = merged("projects: {river: {}}", "projects: {lake: {}}\nsources: {}")

    assert set(found.projects) == {"river", "lake"}
    assert found.mentioned == {Kind.PROJECT, Kind.SOURCE}


USED = """
projects:
  river: {sources: {hq: {}}}
  lake: {sources: {hq: {}}}
  hill: {sources: {hq: {mode: user}}}
  sea: {sources: {other: {}}}
credentials:
- {source: hq, projects: all, kind: token, access_token: {env: SHARED}}
"""


def test_a_credential_for_all_is_for_projects_that_use_the_source_and_have_no_other():
    own = "- {source: hq, projects: [lake], kind: token, access_token: {env: OWN}}\n"
    found = merged(USED + own).credentials_of_projects()

    assert {key: each.value.access_token.env for key, each in found.items()} == {
        Key(Kind.CREDENTIAL, "river/hq"): "SHARED",
        Key(Kind.CREDENTIAL, "lake/hq"): "OWN",
    }


def test_a_credential_may_be_for_several_sources():
    text = USED.replace("source: hq", "source: [hq, other]")
    found = merged(text).credentials_of_projects()

    assert [str(key) for key in found] == [
        "credential river/hq",
        "credential lake/hq",
        "credential sea/other",
    ]
    assert "a list of names" in mistakes(USED.replace("source: hq", "source: {a: b}"))[0]


def test_two_credentials_of_a_project_at_a_source_are_a_mistake():
    own = "- {source: hq, projects: [lake, lake], kind: token, access_token: {env: OWN}}\n"
    again = "- {source: hq, projects: all, kind: token, access_token: {env: AGAIN}}\n"
    found = merged(USED + own + again)
    found.credentials_of_projects()

    with pytest.raises(InvalidStateError) as caught:
        found.check()
    assert [each.split(": ", 1)[1] for each in caught.value.details] == [
        "credentials[1] is for lake at hq, and so is credentials[1] in a.yaml, line 9. "
        "Keep one of them.",
        "credentials[2] is for river at hq, and so is credentials[0] in a.yaml, line 8. "
        "Keep one of them.",
    ]


def test_only_what_the_files_describe_the_kind_of_is_prunable():
    found = merged("projects: {river: {sources: {}}, lake: {}}")

    assert found.is_prunable(Key(Kind.PROJECT, "old"))
    assert found.is_prunable(Key(Kind.LINK, "river/hq"))
    assert not found.is_prunable(Key(Kind.LINK, "lake/hq"))
    assert not found.is_prunable(Key(Kind.SOURCE, "hq"))
    assert not found.is_prunable(Key(Kind.CREDENTIAL, "river/hq"))


def test_the_published_schema_is_a_json_schema_with_an_explanation_of_every_key():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    def unexplained(part, path=""):
        for name, each in part.get("properties", {}).items():
            if "description" not in each:
                yield f"{path}.{name}"

    parts = {"": schema, **schema["$defs"]}
    assert [each for name, part in parts.items() for each in unexplained(part, name)] == []
    assert json.dumps(schema)
