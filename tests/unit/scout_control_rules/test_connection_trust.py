"""Which changes of a connection need its password."""

from __future__ import annotations

import pytest
from scout_control.rules.connection_trust import BOUND, LEVELS, needing_password

WHERE = {"host": "h", "port": 5432, "user": "u"}


@pytest.mark.parametrize("name", BOUND)
def test_any_change_of_what_a_password_is_bound_to_needs_it(name):
    for before, after in (("a", "b"), ("a", None), (None, "b"), ("a", "")):
        assert needing_password(WHERE | {name: before}, WHERE | {name: after}) == [name]
    assert needing_password({name: "a"}, {name: "a"}) == []
    assert needing_password({name: None}, {}) == []


@pytest.mark.parametrize("name", LEVELS)
def test_a_lower_level_needs_it_and_a_higher_one_does_not(name):
    levels = LEVELS[name]
    for index, before in enumerate(levels):
        for other, after in enumerate(levels):
            expected = [name] if other < index else []
            assert needing_password({name: before}, {name: after}) == expected
        is_lowered = index > levels.index("prefer")
        assert needing_password({name: before}, {}) == ([name] if is_lowered else [])
    assert needing_password({}, {name: "disable"}) == [name]
    assert needing_password({name: "require"}, {name: "unknown"}) == [name]
    assert needing_password({name: "unknown"}, {name: "require"}) == [name]


def test_other_settings_do_not_need_it():
    before = WHERE | {"connect_timeout": "5", "database": "x"}
    after = WHERE | {"connect_timeout": "9", "database": "y", "options": "-c a=b"}
    assert needing_password(before, after) == []
