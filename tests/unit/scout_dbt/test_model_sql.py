"""The SQL of generated tables, as text; tests/integration/scout_dbt runs it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scout_dbt.planning import model_sql
from scout_dbt.planning.model_sql import SourceTable
from scout_dbt.planning.record_types import CASE, FORM, VISIT
from scout_dbt.planning.tables import Column, RecordKind, Table, ValueType

SOURCE = SourceTable(
    stream="forms",
    columns=frozenset({"domain", "form_id", "xmlns", "form_data"}),
    keys=("domain", "form_id"),
)
TEXT = Column(key="a", name="a", path=("a",), value_type=ValueType.TEXT, comment="")
GPS = Column(
    key="g",
    name="g",
    path=("g", "h"),
    value_type=ValueType.GPS,
    comment="",
    gps_columns=("g_lat", "g_lon", "g_alt", "g_acc"),
)
TABLE = Table(name="form_f", record_kind=RecordKind.FORM, scope="http://x/f", columns=(TEXT,))


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("plain", "'plain'"),
        ("it's", "'it''s'"),
        ("back\\slash", "E'back\\\\slash'"),
        ("{{ x }}", "E'\\x7b\\x7b x \\x7d\\x7d'"),
        ("100%", "E'100\\x25'"),
        ("#a's", "E'\\x23a''s'"),
    ],
)
def test_a_literal_is_one_for_postgres_and_nothing_for_jinja(text, literal):
    assert model_sql.quote_literal(text) == literal


def test_a_base_column_that_the_stream_lacks_is_null():
    opened = next(each for each in CASE.base_columns if each.name == "opened_at")
    domain = next(each for each in VISIT.base_columns if each.name == "domain")
    visits = SourceTable(stream="visits", columns=frozenset({"form_json"}), keys=("id",))

    assert model_sql.base_column_sql(opened, SOURCE, "s") == "null::timestamptz"
    assert model_sql.base_column_sql(domain, visits, "s") == (
        "nullif(s.\"form_json\" ->> 'domain', '')"
    )


def test_a_stream_without_its_columns_or_with_another_key_has_no_tables():
    assert SOURCE.supports(FORM)
    assert not SOURCE.supports(CASE)
    assert not replace(SOURCE, keys=()).supports(FORM)
    assert not replace(SOURCE, keys=("xmlns",)).supports(FORM)
    assert not replace(SOURCE, columns=SOURCE.columns - {"form_data"}).supports(FORM)


def test_keys_are_those_of_the_stream_and_the_positions_of_repeat_groups():
    main = model_sql.model(TABLE, SOURCE)
    entries = model_sql.model(replace(TABLE, repeats=(("r",), ("r", "s"))), SOURCE)

    assert main.keys == ("domain", "form_id")
    assert entries.keys == ("domain", "form_id", "position_1", "position_2")
    assert "e1.item #> array['s']" in entries.sql
    assert "s.username" not in entries.sql


def test_texts_are_taken_as_they_are_and_other_types_keep_what_cannot_be_read():
    texts = model_sql.model(TABLE, SOURCE).sql
    typed = model_sql.model(replace(TABLE, columns=(TEXT, GPS)), SOURCE).sql

    assert "null::jsonb as _scout_unreadable" in texts
    assert "s._r0 is not null and s._t0 is null" in typed
    assert typed.index('s._r0 as "g"') < typed.index('as "g_lat"') < typed.index('as "g_acc"')


def test_the_fingerprint_follows_the_sql_only():
    first = model_sql.model(TABLE, SOURCE)

    assert first.fingerprint == model_sql.model(replace(TABLE, comment="x"), SOURCE).fingerprint
    assert first.fingerprint != model_sql.model(replace(TABLE, scope="y"), SOURCE).fingerprint
