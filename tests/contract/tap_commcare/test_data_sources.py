"""Data sources of the sandbox: complete for any page size, and read again within the overlap."""

from __future__ import annotations

from collections import Counter

import pytest


@pytest.mark.parametrize("page_size", [1, 7, 10_000])
def test_all_rows_of_all_documents_are_read(sandbox, tap, select, page_size):
    run = tap(catalog=select("ucr_rows"), data_sources=sandbox.data_sources, page_size=page_size)

    assert run.code == 0, run.log
    assert rows_by_source(run) == {
        sandbox.data_sources[0]: 130,
        sandbox.data_sources[1]: 260,
        sandbox.data_sources[2]: sum(1 + at % 7 for at in range(130)),
    }
    assert len(set(run.keys("ucr_rows"))) == len(run.keys("ucr_rows"))


@pytest.mark.parametrize("style", ["bare", "path", "http"])
def test_links_of_older_servers_lack_the_data_source(sandbox, tap, select, style):
    sandbox.set(next_style=style)
    run = tap(catalog=select("ucr_rows"), data_sources=sandbox.data_sources[2:], page_size=10)

    assert run.code == 0, run.log
    assert len(run.records("ucr_rows")) == sum(1 + at % 7 for at in range(130))


def test_a_later_run_reads_only_the_last_documents_again(sandbox, tap, select):
    settings = {"data_sources": sandbox.data_sources[2:], "page_size": 20}
    first = tap(catalog=select("ucr_rows"), **settings)
    again = tap(catalog=select("ucr_rows"), state=first.state, **settings)

    assert again.code == 0, again.log
    assert 0 < len(again.records("ucr_rows")) <= 40
    assert again.state == first.state


def rows_by_source(run) -> Counter[str]:
    """Return how many rows each data source has."""
    return Counter(record["data_source_id"] for record in run.records("ucr_rows"))
