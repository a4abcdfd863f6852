"""Ids and names that no command could name are refused when they are chosen."""

from __future__ import annotations

import pytest
from scout_control.rules.identifiers import find_error


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        ("river/hq", "contain a slash"),
        ("a\nb", "control characters"),
        ("a\0b", "control characters"),
        ("a\u202eb", "invisible characters"),
        ("\udcff", "control characters"),
        (" river", "begin or end with a space"),
        ("river ", "begin or end with a space"),
        ("--project", "begin with a hyphen"),
        ("x" * 256, "longer than 255"),
        (".", "'.', '..' or 'me'"),
        ("..", "meaning in addresses"),
        ("me", "meaning in addresses"),
        ("ME", "meaning in addresses"),
        ("a%2fb", "which addresses decode"),
        ("%2e%2E", "which addresses decode"),
        ("%252f", "which addresses decode"),
        ("a%00", "which addresses decode"),
        ("\u2800", "invisible characters"),
        ("a\u200bb", "invisible characters"),
        ("a\u00a0b", "invisible characters"),
        ("\u3164", "look like them"),
        ("\uff41dmin", "look like them"),
        ("ﬁle", "look like them"),
        ("e\u0301", "look like them"),
        ("\u0430dmin", "several scripts"),  # the first letter is Cyrillic
        ("river-\u03b1dmin", "several scripts"),
    ],
)
@pytest.mark.parametrize("is_id", [True, False])
def test_an_invalid_name_is_explained(name, words, is_id):
    error = find_error(name, "The id of a project", is_id=is_id)

    assert error is not None
    assert error.startswith("The id of a project must not ")
    assert words in error


@pytest.mark.parametrize(
    "name",
    [
        *(
            "river",
            "7",
            "ann@example.org",
            "Río Norte",
            'a"; DROP x --',
            "é" * 200,
            "a.b:c+d_e-f",
            "HQ\\ann",
        ),
        *(
            "...",
            ".x",
            "meg",
            "100 %",
            "5%",
            "%zz",
            "a?b#c&d",
            "Проект HQ 2",
            "项目",
            "परियोजना",
            "مشروع",
        ),
    ],
)
def test_what_other_systems_use_as_ids_is_valid(name):
    assert find_error(name, "The id of a project", is_id=True) is None
    assert find_error(name, "The name of a source") is None


def test_a_uuid_is_an_id_but_no_name():
    uuid = "0b9f9e0e-51d1-4f1c-8f1e-111111111111"

    assert find_error(uuid, "The id of a project", is_id=True) is None
    assert "take for an id" in (find_error(uuid, "The name of a source") or "")
