"""Mistyped settings and variables are warned about once, with what they probably mean."""

from __future__ import annotations

import pytest
from target_scout_postgres import settings
from target_scout_postgres.suggestions import closest, mistyped_variables, with_suggestions

PREFIX = "TARGET_SCOUT_POSTGRES_"


def test_each_name_has_its_own_suggestion():
    known = ["hard_delete", "port"]

    assert closest("HardDelete", known) == "hard_delete"
    assert with_suggestions(["zzzz", "hard_delte"], known) == (
        "hard_delte (did you mean hard_delete?), zzzz"
    )
    assert len(with_suggestions(["x" * 5000], known)) == 100


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BATCH_SIZE_ROW", "BATCH_SIZE_ROWS"),
        ("BATCH_SIZE_ROWS", None),
        ("_METADATA", None),
        ("LOGLEVEL", None),
        ("COLOUR", None),
    ],
)
def test_only_variables_that_are_almost_equal_are_reported(name, meant):
    found = mistyped_variables([PREFIX + name, "OTHER"], PREFIX, settings.FIELDS)

    assert found == ({} if meant is None else {PREFIX + name: PREFIX + meant})


def test_settings_of_others_are_known_and_values_are_never_quoted(capsys):
    known = {"port": 1, "stream_maps": {}, "stream_maps.a.b": 1, "_x": 1, "validate_records": 1}
    settings.warn_about_unknown(known)
    assert capsys.readouterr().err == ""

    settings.warn_about_unknown({"pasword": "canary"}, {f"{PREFIX}PASWORD": "canary"})
    log = capsys.readouterr().err
    assert "ignored: pasword (did you mean password?)" in log
    assert f"{PREFIX}PASWORD is ignored: did you mean {PREFIX}PASSWORD?" in log
    assert "canary" not in log
