"""Names of dataset schemas and roles."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from scout_control.rules.naming import DatasetIdentity, OwnerKind, reader_role, writer_role

ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)
datasets = st.builds(
    DatasetIdentity,
    owner_kind=st.sampled_from(OwnerKind),
    owner_id=ids,
    project_id=ids,
    source_id=ids,
    source_type=ids,
)


@given(datasets)
def test_a_name_is_ascii_and_leaves_room_for_suffixes_for_any_id(dataset):
    assert re.fullmatch(r"data(_[a-z0-9]+)*_[0-9a-f]{8}", dataset.schema)
    assert len(dataset.schema.encode()) <= 55
    assert len(reader_role(dataset.schema)) <= 63
    assert len(writer_role(dataset.schema)) <= 63


@given(datasets, datasets)
def test_two_datasets_never_share_an_owner_comment(one, other):
    same = (one.owner_kind, one.owner_id, one.project_id, one.source_id) == (
        other.owner_kind,
        other.owner_id,
        other.project_id,
        other.source_id,
    )

    assert (one.owner == other.owner) is same


@given(datasets)
def test_a_name_is_the_same_every_time(dataset):
    again = DatasetIdentity(
        owner_kind=dataset.owner_kind,
        owner_id=dataset.owner_id,
        project_id=dataset.project_id,
        source_id=dataset.source_id,
        source_type=dataset.source_type,
    )

    assert again.schema == dataset.schema


def a_dataset(**changes) -> DatasetIdentity:
    usual = {
        "owner_kind": OwnerKind.PROJECT,
        "owner_id": "Kenya Rivers",
        "project_id": "Kenya Rivers",
        "source_id": "42",
        "source_type": "commcare",
    }
    return DatasetIdentity(**usual | changes)


def test_a_person_can_read_whose_data_it_is():
    assert a_dataset().schema.startswith("data_kenya_rivers_commcare_")


def test_owner_kind_project_source_and_where_ids_are_split_all_count():
    names = {
        a_dataset().schema,
        a_dataset(owner_kind=OwnerKind.USER).schema,
        a_dataset(project_id="another").schema,
        a_dataset(source_id="43").schema,
        a_dataset(project_id="Kenya Rivers4", source_id="2").schema,
        a_dataset(owner_id="kenya-rivers").schema,
        a_dataset(owner_id="KENYA RIVERS").schema,
    }

    assert len(names) == 7


def test_ids_without_a_readable_letter_still_get_a_name():
    assert re.fullmatch(r"data_commcare_[0-9a-f]{8}", a_dataset(owner_id="नदी").schema)
