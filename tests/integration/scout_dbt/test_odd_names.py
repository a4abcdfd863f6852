"""Tables of odd names, and of several domains: nothing is lost, nothing is mixed up."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

KEYS = {
    "cases": ("domain", "case_id"),
    "forms": ("domain", "form_id"),
    "form_definitions": ("domain", "app_id", "xmlns"),
    "form_questions": ("domain", "app_id", "xmlns", "path"),
}
OBJECTS = frozenset({"properties", "indices", "form_data", "uses", "options"})
NUMBERS = frozenset({"position"})
FLAGS = frozenset({"is_group"})
COLUMNS = {
    "cases": ("domain", "case_id", "case_type", "case_name", "properties", "indices"),
    "forms": ("domain", "form_id", "xmlns", "form_data"),
    "form_definitions": ("domain", "app_id", "xmlns", "app_name", "name", "case_type", "uses"),
    "form_questions": (
        *("domain", "app_id", "xmlns", "path", "position", "type", "tag", "label"),
        *("is_group", "repeat", "options"),
    ),
}
LONG = "é" * 150
ODD = (
    *(
        f"{LONG}1",
        f"{LONG}2",
        "a.b",
        "a-b",
        "a b",
        "A_B",
        'quo"te',
        "it's",
        "back\\slash",
        "🐄",
        "🐐",
    ),
    *("select", "user", "order", "null", "{{ jinja }}", "{% set x = 1 %}", "%s", "$1", "#hash"),
    *("case_id", "domain", "owner_id", "opened_at", "closed", "_scout_unreadable", "xmin", "ctid"),
    *("1st", "__", "\uff21\uff22", "naïve", "naïve", "देवनागरी"),
)
SLUGS = ("home visit", "Home-Visit", "home.visit", "HOME VISIT!", f"{LONG}x", f"{LONG}y", "🐄", "")
META_LIKE = ("form_id", "received_at", "position", "value", "_scout_unreadable", "username", "case")
WIDE = 1700
TREE = {
    "text": {"#text": "deep", "@attr": "side"},
    "#text": "root text",
    "@attr": "root side",
    "rep": [{"value": "1", "position": "a"}, {"value": "2", "position": "b"}],
}


def record(stream, **values):
    """Return one record; columns that are not given are null."""
    return stream, dict.fromkeys(COLUMNS[stream]) | values


def records():
    for domain in ("north", "south"):
        for number, name in enumerate(SLUGS):
            properties = {odd: f"{odd} of {name}" for odd in ODD}
            case_id = f"{domain}-{number}"
            yield record(
                *("cases",),
                domain=domain,
                case_id=case_id,
                case_type=name,
                properties=properties | {f"only_{domain}": domain},
                indices={"parent": {"case_id": "same", "case_type": "person"}},
            )
        yield record("cases", domain=domain, case_id="same", case_type="person", properties={})
        yield from form_records(domain)


def form_records(domain):
    kind = {"north": "Int", "south": "Text"}[domain]
    asked = [*META_LIKE, *ODD, "age", *(f"q{number}" for number in range(WIDE))]
    yield record(
        "form_definitions",
        domain=domain,
        app_id="app",
        xmlns="http://x/wide",
        app_name="A",
        name="Wide",
        case_type="person",
    )
    for position, name in enumerate(asked):
        yield record(
            "form_questions",
            domain=domain,
            app_id="app",
            xmlns="http://x/wide",
            path=f"/data/{name}",
            position=position,
            type=kind if name == "age" else "Text",
            tag="input",
            label=f"Label of {name}",
        )
    answers = {name: f"{name} in {domain}" for name in asked} | {"age": "7"} | TREE
    form = {"domain": domain, "form_id": "same form", "xmlns": "http://x/wide"}
    yield record("forms", **form, form_data=answers)
    yield record("forms", **(form | {"form_id": domain}), form_data={"age": "many"})


def messages(all_of_them):
    by_stream = defaultdict(list)
    for stream, one in all_of_them:
        by_stream[stream].append(one)
    for stream, of_stream in by_stream.items():
        types = {
            name: ["null", "object", "array"]
            if name in OBJECTS
            else ["null", "integer"]
            if name in NUMBERS
            else ["null", "boolean"]
            if name in FLAGS
            else ["null", "string"]
            for name in COLUMNS[stream]
        }
        properties = {name: {"type": types[name]} for name in types}
        yield {
            "type": "SCHEMA",
            "stream": stream,
            "key_properties": KEYS[stream],
            "schema": {"type": "object", "properties": properties},
        }
        for one in of_stream:
            yield {"type": "RECORD", "stream": stream, "record": one}


@pytest.fixture(scope="module")
def odd(world):
    """The records, built; all models of the project whose streams are not there are left out."""
    world.pipe("\n".join(map(json.dumps, messages(records()))).encode())
    done = world.build("--select", "package:scout_generated")
    assert done.returncode == 0, done.stdout
    return world


def models(world, kind):
    return world.ask(
        "SELECT name, definition FROM _scout_models WHERE definition ->> 'kind' = %s ORDER BY name",
        kind,
    )


def test_every_name_of_a_case_type_and_property_has_a_table_and_a_column_of_its_own(odd):
    found = {definition["scope"]: (name, definition) for name, definition in models(odd, "case")}
    assert set(found) == {*SLUGS, "person"}
    assert len({name for name, _ in found.values()}) == len(found)
    for scope in SLUGS:
        name, definition = found[scope]
        columns = {column["key"]: column["name"] for column in definition["columns"]}
        assert set(columns) == {*ODD, "only_north", "only_south"}
        assert (columns["user"], columns["order"]) == ("user_", "order_")
        assert len(set(columns.values())) == len(columns)
        assert all(len(each.encode()) <= 63 for each in (name, *columns.values()))
        [(row,)] = odd.ask(
            f'SELECT to_jsonb(t) FROM "{name}" AS t WHERE domain = %s AND case_id ~ %s',
            *("north", "^north-"),
        )
        assert {key: row[column] for key, column in columns.items()} == {
            **{key: f"{key} of {scope}" for key in ODD},
            "only_north": "north",
            "only_south": None,
        }


def test_a_case_type_of_two_domains_is_one_table_and_rows_of_one_id_stay_apart(odd):
    assert odd.ask("SELECT domain, case_id FROM case_person ORDER BY 1") == [
        ("north", "same"),
        ("south", "same"),
    ]
    [(comment,)] = odd.ask("SELECT obj_description('case_home_visit'::regclass)")
    assert comment.startswith("Cases of type ")
    assert comment.endswith("domain north, south, CommCare")


def test_a_form_of_more_than_1500_questions_is_split_into_parts_that_hold_every_answer(odd):
    parts = [each for each in models(odd, "form") if not each[1]["repeats"]]
    assert len(parts) > 1
    for domain in ("north", "south"):
        shown = {}
        for name, definition in parts:
            [(row,)] = odd.ask(
                f'SELECT to_jsonb(t) FROM "{name}" AS t'
                " WHERE domain = %s AND form_id = 'same form'",
                domain,
            )
            shown |= {each["key"]: row[each["name"]] for each in definition["columns"]}
        wanted = {name: f"{name} in {domain}" for name in (*META_LIKE, *ODD)}
        wanted |= {f"q{number}": f"q{number} in {domain}" for number in range(WIDE)}
        wanted |= {"text": "deep", "text/@attr": "side", "@attr": "root side", "age": "7"}
        assert {key: shown.get(key) for key in wanted} == wanted


def test_columns_of_a_repeat_may_be_named_like_its_own(odd):
    rows = odd.ask("SELECT to_jsonb(t) FROM form_wide__rep AS t ORDER BY domain, position_1")
    [(_, definition)] = [each for each in models(odd, "form") if each[1]["repeats"]]
    columns = {column["key"]: column["name"] for column in definition["columns"]}
    assert [(row["position_1"], row[columns["rep/value"]]) for (row,) in rows] == [
        *((1, "1"), (2, "2")),
        *((1, "1"), (2, "2")),
    ]
    assert {row[columns["rep/position"]] for (row,) in rows} == {"a", "b"}


def test_a_question_that_two_domains_ask_in_two_types_is_text(odd):
    rows = odd.ask("SELECT domain, form_id, age FROM form_wide ORDER BY 1, 2")
    assert rows == [
        *(("north", "north", "many"), ("north", "same form", "7")),
        *(("south", "same form", "7"), ("south", "south", "many")),
    ]


def test_a_change_in_one_domain_leaves_the_other_ones_rows_alone(odd):
    odd.ask("UPDATE forms SET form_data = '{\"age\": \"8\"}' WHERE domain = 'north'")
    odd.ask("DELETE FROM forms WHERE domain = 'south' AND form_id = 'south'")

    done = odd.build("--select", "package:scout_generated")

    assert done.returncode == 0, done.stdout
    assert odd.ask("SELECT domain, form_id, age FROM form_wide ORDER BY 1, 2") == [
        *(("north", "north", "8"), ("north", "same form", "8")),
        ("south", "same form", "7"),
    ]
