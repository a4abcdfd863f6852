"""Values of YAML are read as people mean them, or refused with their line; never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scout_control.api.desired_state import scalars, yaml_documents
from scout_control.api.desired_state.problems import InvalidStateError


def parse(text):
    return yaml_documents.parse(text, "here.yaml", Path())


def problems(text):
    return [str(each) for each in parse(text).problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("-1.5", -1.5),
        ("0x1f", 31),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("y", "y"),
        ("6h", "6h"),
        ("'no'", "no"),
        ('"08"', "08"),
        ("|\n  12", "12"),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_clear_values_are_read(written, value):
    assert parse(f"key: {written}").data == {"key": value}


@pytest.mark.parametrize(
    "written",
    [
        *("no", "Yes", "on", "OFF", "08", "010", "1e3", "12:30", "1_000", "0o17", "0b1"),
        *(".inf", ".nan", "!mine x", "!!set {a}"),
    ],
)
def test_what_programs_read_differently_is_refused_with_its_line(written):
    [problem] = problems(f"a: b\nkey: {written}\n")

    assert problem.startswith("here.yaml, line 2: key ")
    assert "1e3" not in problem
    assert "08" not in problem


@pytest.mark.parametrize("key", ["no", "42", "~", "[a]", "08"])
def test_a_key_that_is_not_text_is_refused(key):
    [problem] = problems(f"a: b\n? {key}\n: c\n")

    assert problem == "here.yaml, line 2: A key is not text. Put it in quotes."


def test_a_key_that_stands_twice_is_refused_with_both_lines():
    text = "projects:\n  river: {}\n  lake: {}\n  river: {}\n"

    assert problems(text) == [
        "here.yaml, line 4: projects.river is already on line 2. A key may stand only once."
    ]


def test_anchors_and_merge_keys_spare_repetition_and_keep_the_lines_of_what_they_add_to():
    document = parse("x-usual: &usual {a: 1, b: 2}\none:\n  b: 3\n  <<: *usual\ntwo: *usual\n")

    assert document.data["one"] == {"a": 1, "b": 3}
    assert document.data["two"] == {"a": 1, "b": 2}
    assert document.place(("one", "b")).line == 3
    assert document.place(("one", "a")).line == 1
    assert document.place(("two", "nothing")).line == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "line 2: This is not valid YAML"),
        ("a: *x", "line 1: This is not valid YAML"),
        ("a: 1\n---\nb: 2", "line 2: This is not valid YAML"),
        ("a: \x01", "This is not valid YAML"),
        ("a: &a [*a]", "expand"),
        ("a: {<<: 5}", "does not name a mapping"),
    ],
)
def test_what_is_not_yaml_is_refused(text, expected):
    try:
        found = "".join(problems(text))
    except InvalidStateError as error:
        found = "".join(error.details)
    assert expected in found


def test_a_file_that_cannot_be_read_is_a_mistake_that_names_it(tmp_path):
    for path in (tmp_path, tmp_path / "missing.yaml"):
        with pytest.raises(InvalidStateError, match="1 mistake") as caught:
            yaml_documents.read(str(path))
        assert caught.value.exit_code == 2
        assert str(path) in caught.value.details[0]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12))
def test_text_that_is_not_ambiguous_survives_unquoted_readers_of_both_versions(text):
    """What `is_ambiguous` lets pass is text for PyYAML, which implements YAML 1.1."""
    if not scalars.is_ambiguous(text):
        tag = scalars.RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
        assert scalars.read(text, tag) == text
