"""Requests as documents: what no store can hold is refused; null resets, and is not a value."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from scout_control.serve.connections import ConnectionChange, NewConnection
from scout_control.serve.documents import DEEPEST, check_storable, merged_settings
from scout_control.serve.project_sources import LinkChange


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "a\0b",
        "\ud800",
        {"a\0": 1},
        {"a": [{"b": "\udfff"}]},
        float("nan"),
        [float("inf")],
        2**63,
        -(2**64),
        nested(DEEPEST + 1),
    ],
)
def test_what_no_document_can_hold_is_refused(value):
    with pytest.raises(ValueError, match=r"\w"):
        check_storable(value)
    with pytest.raises(ValidationError):
        LinkChange.model_validate({"sync_config": {"setting": value}})


@pytest.mark.parametrize(
    "value", ["é 漢字 \U0001f600", 2**63 - 1, 1e308, True, None, nested(DEEPEST - 1), {"a": [1]}]
)
def test_everything_else_is_accepted(value):
    check_storable(value)


def test_null_in_settings_unsets_and_other_values_are_set():
    assert merged_settings({"a": 1, "b": None, "c": False}) == ({"a": 1, "c": False}, ["b"])
    assert merged_settings(None) == ({}, [])


def test_null_of_a_link_resets_and_what_is_left_out_stays():
    change = LinkChange.model_validate({"credential_mode": None, "sync_config": {"x": None}})

    arguments = change.arguments()

    assert sorted(arguments.pop("unset")) == ["mode", "x"]
    assert not any(arguments.values())


def test_parts_of_an_address_are_those_that_are_given():
    assert ConnectionChange.model_validate({"password": "p"}).parts() == {"password": "p"}
    assert ConnectionChange.model_validate({"description": "x"}).parts() is None
    with pytest.raises(ValidationError, match="port"):
        NewConnection.model_validate({"name": "a", "port": 70_000})
