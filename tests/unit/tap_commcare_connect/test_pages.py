"""Pages and their links, and the account index."""

from __future__ import annotations

import pytest
from tap_commcare_connect.account_index import DECODE, Filters, OpportunitySummary
from tap_commcare_connect.pagination.keyset import TARGET_BYTES, PageSize, last_id_in
from tap_commcare_connect.streams.delivery import VisitsStream
from tap_common.errors import UnexpectedResponseError


@pytest.mark.parametrize(
    ("link", "last_id"),
    [
        ("https://connect.dimagi.com/export/x/?page_size=2&last_id=18&cursor_order=forward", 18),
        ("http://evil.example/?last_id=18", 18),
        ("?last_id=18", 18),
        (None, None),
    ],
)
def test_only_the_id_of_a_link_is_used(link, last_id):
    assert last_id_in(link, 7) == last_id


@pytest.mark.parametrize(
    "link", ["", "https://x/", "?last_id=", "?last_id=x", "?last_id=7", "http://["]
)
def test_a_link_that_cannot_be_followed_is_not_the_end(link):
    with pytest.raises(UnexpectedResponseError):
        last_id_in(link, 7)


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"results":[]}', b'{"next":null}', b'{"next":1,"results":[]}']
)
def test_a_page_needs_both_its_keys(body):
    with pytest.raises(UnexpectedResponseError):
        VisitsStream.decode_page(body)


@pytest.mark.parametrize("missing", ["organizations", "opportunities", "programs"])
def test_the_account_index_needs_its_keys(missing):
    keys = {"organizations", "opportunities", "programs"} - {missing}
    body = "{" + ",".join(f'"{key}":[]' for key in keys) + "}"

    with pytest.raises(UnexpectedResponseError):
        DECODE(body.encode())


def test_pages_grow_and_shrink_to_a_bounded_size():
    size = PageSize.of(None, 200)
    size.adapt(200, 200 * 500)
    small_rows = size.rows
    size.adapt(800, 800 * 500)
    usual_rows = size.rows
    size.adapt(100, 100 * 60_000)

    assert (small_rows, usual_rows) == (800, 1000)
    assert size.rows == TARGET_BYTES // 60_000


def test_a_size_that_is_set_stays_within_what_the_server_grants():
    size = PageSize.of(9999, 200)
    size.adapt(5000, 1)

    assert size.rows == 5000


def test_all_filters_apply_together():
    filters = Filters.of({"opportunity_ids": ["1", 2], "organization_slugs": ["acme"]})

    assert filters.accepts(OpportunitySummary(1, "acme", None))
    assert not filters.accepts(OpportunitySummary(1, "other", None))
    assert not filters.accepts(OpportunitySummary(3, "acme", None))
    assert filters.scope == [[1, 2], ["acme"], []]
    assert Filters.of({}).scope == []
