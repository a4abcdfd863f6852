"""Which column takes each property of a stream, and how its table changes for that."""

from __future__ import annotations

import pytest
from support.target_loading import FakeSession, RecordingDdl
from target_scout_postgres.encoding.column_types import BIGINT, NUMERIC, TEXT, TIMESTAMPTZ
from target_scout_postgres.encoding.layout import DELETED_AT, MAX_COLUMNS, OVERFLOW
from target_scout_postgres.encoding.stream_schema import Property, StreamSchema
from target_scout_postgres.errors import DataError, SchemaError
from target_scout_postgres.postgres.schema_manager import SchemaManager
from target_scout_postgres.postgres.schema_snapshot import SchemaSnapshot, Table


class Schemas:
    """A schema manager with one table, which exists if it has columns."""

    def __init__(self, columns=None, comments=None, generated=(), **options) -> None:
        session = FakeSession(**options)
        self.snapshot = SchemaSnapshot()
        self.table = Table(
            "t",
            columns=dict(columns or {}),
            comments=dict(comments or {}),
            generated=set(generated),
            last_attribute=len(columns or {}),
            exists=bool(columns),
        )
        self.snapshot.tables["t"] = self.table
        self.ddl = RecordingDdl(session, self.snapshot)
        self.manager = SchemaManager(session.settings, self.snapshot, self.ddl)

    def sync(self, properties: dict[str, str], *key: str, widened=None):
        parts = tuple(Property(name, type_) for name, type_ in properties.items())
        return self.manager.sync_schema(self.table, StreamSchema("t", parts, key), widened or {})


def columns_of(layout) -> dict[str, str]:
    return {mapping.source.name: mapping.column for mapping in layout.mappings}


def test_a_new_table_gets_a_column_per_property_fixed_widths_first():
    schemas = Schemas()
    layout = schemas.sync({"name": TEXT, "id": BIGINT}, "id")

    assert layout.columns == ("id", "name")
    assert layout.key == ("id",)
    assert schemas.table.columns == {"name": TEXT, "id": BIGINT}
    assert schemas.ddl.changes == 0


def test_a_wider_type_widens_the_column():
    schemas = Schemas({"n": BIGINT})
    layout = schemas.sync({"n": BIGINT}, widened={"n": NUMERIC})

    assert columns_of(layout) == {"n": "n"}
    assert schemas.table.columns == {"n": NUMERIC}
    assert schemas.ddl.changes == 1


def test_what_cannot_be_widened_goes_to_a_sibling_and_the_old_column_is_cleared():
    schemas = Schemas({"n": BIGINT})
    schemas.ddl.is_widening_refused = True
    layout = schemas.sync({"n": NUMERIC})

    assert columns_of(layout) == {"n": "n__numeric"}
    assert schemas.table.columns == {"n": BIGINT, "n__numeric": NUMERIC}
    assert schemas.table.comments == {"n__numeric": "n"}
    assert schemas.sync({"n": NUMERIC}).cleared == ("n",)


@pytest.mark.parametrize(("wanted", "column"), [(TEXT, "n__text"), (BIGINT, "n__bigint")])
def test_a_generated_column_stays_and_the_values_go_to_a_sibling(wanted, column):
    schemas = Schemas({"n": BIGINT}, generated=["n"])

    assert columns_of(schemas.sync({"n": wanted})) == {"n": column}


def test_a_property_called_like_a_sibling_of_another_gets_another_column():
    schemas = Schemas({"n": BIGINT, "n__text": TEXT}, comments={"n__text": "n"})
    layout = schemas.sync({"n": TEXT, "n__text": TEXT})

    assert columns_of(layout) == {"n": "n__text", "n__text": "n__text__text"}


def test_a_key_stays_one_column_and_becomes_text():
    schemas = Schemas({"id": BIGINT})
    layout = schemas.sync({"id": TEXT}, "id")

    assert (columns_of(layout), layout.key) == ({"id": "id"}, ("id",))
    assert schemas.table.columns == {"id": TEXT}


def test_a_key_that_cannot_be_widened_is_copied_to_its_new_column():
    schemas = Schemas({"id": BIGINT})
    schemas.ddl.is_widening_refused = True
    layout = schemas.sync({"id": TEXT}, "id")

    assert layout.key == ("id__text",)
    assert schemas.ddl.changes == 3  # the column, its comment, its values


def test_properties_beyond_the_limit_of_columns_go_to_the_overflow_column():
    schemas = Schemas()
    layout = schemas.sync({f"p{n}": TEXT for n in range(MAX_COLUMNS + 5)})

    assert len(layout.mappings) == MAX_COLUMNS - 2
    assert [each.name for each in layout.overflow] == [f"p{n}" for n in range(1598, 1605)]
    assert layout.columns[-1] == OVERFLOW


def test_a_stream_without_properties_is_kept_in_the_overflow_column():
    assert Schemas().sync({}).columns == (OVERFLOW,)


def test_metadata_columns_that_a_property_has_are_left_to_it():
    layout = Schemas(add_record_metadata=True).sync({"_sdc_sequence": BIGINT})

    assert "_sdc_sequence" not in dict(layout.metadata)


def test_a_soft_delete_adds_its_column_and_clears_it_in_rows_that_come_again():
    schemas = Schemas({"id": BIGINT}, hard_delete=False)
    layout = schemas.sync({"id": BIGINT}, "id")

    assert layout.soft_delete_column == DELETED_AT
    assert schemas.table.columns[DELETED_AT] == TIMESTAMPTZ
    assert layout.cleared == (DELETED_AT,)
    assert not layout.deletes_marked


def test_append_only_has_no_key():
    assert Schemas(load_method="append-only").sync({"id": BIGINT}, "id").key == ()


def test_schema_evolution_may_be_forbidden():
    schemas = Schemas({"id": BIGINT}, schema_evolution="fail")

    with pytest.raises(SchemaError, match="schema_evolution"):
        schemas.sync({"id": BIGINT, "name": TEXT})


def test_a_stage_has_the_columns_of_the_layout_with_the_types_of_the_table():
    schemas = Schemas({"id": BIGINT, "note": TEXT})
    layout = schemas.sync({"id": BIGINT}, "id")
    stage = schemas.manager.stage_of(schemas.table, layout)
    assert stage.columns == {"id": BIGINT}

    stage.exists = True
    schemas.table.columns["id"] = NUMERIC
    assert schemas.manager.stage_of(schemas.table, layout).columns == {"id": NUMERIC}


def test_a_stream_called_like_a_view_cannot_be_loaded():
    schemas = Schemas()
    schemas.snapshot.other_relations["v"] = "v"

    with pytest.raises(DataError, match="a view"):
        schemas.manager.table_of("v")


def test_the_columns_of_a_first_version_that_was_never_activated_are_known():
    schemas = Schemas()
    people = schemas.manager.table_of("people")
    people.columns = {"id": BIGINT}
    layout = schemas.sync({"id": BIGINT})
    schemas.manager.stage_of(people, layout)
    del schemas.snapshot.tables["people"]

    assert schemas.manager.table_of("people").columns == {"id": BIGINT}
