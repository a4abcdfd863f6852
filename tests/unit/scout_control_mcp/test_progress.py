"""The progress of a run: it grows, and says what happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scout_control.mcp.progress import Growing, of_run
from scout_control.rules.statuses import Phase, RunStatus
from support.runs import CASES, RUN

FORMS = {"forms": {"fetched": 1000, "total": None, "committed": 0}}
DONE = {"users": {"fetched": 7, "total": 7, "committed": 7}}
MORE = {"groups": {"fetched": 0, "total": 5, "committed": 0}}
MODELS = {"models": {"done": 3, "total": 10}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "queued"}, (0.0, 4.0, "Waiting for a worker to load river/hq")),
        (
            {"status": "queued", "activity": {"wait": {"reason": "a schema of another owner"}}},
            (0.0, 4.0, "Waiting: a schema of another owner"),
        ),
        ({"phase": "started"}, (0.0, 4.0, "Provisioning schema for river/hq")),
        ({"phase": "provisioning"}, (0.0, 4.0, "Provisioning schema for river/hq")),
        ({"phase": "discovering"}, (1.0, 4.0, "Discovering river/hq")),
        ({}, (2.0, 4.0, "Loading river/hq")),
        ({"progress": CASES}, (2.375, 4.0, "Loading cases 450 of 1,200")),
        (
            {"progress": CASES | FORMS},
            (2.875, 5.0, "Loading cases 450 of 1,200, forms 1,000"),
        ),
        (
            {"progress": DONE | CASES | FORMS | MORE},
            (3.875, 7.0, "Loading forms 1,000, groups 0 of 5 and 2 other streams"),
        ),
        ({"progress": DONE}, (3.0, 4.0, "Loading users 7 of 7")),
        ({"phase": "transforming"}, (3.0, 4.0, "Running dbt transforms")),
        (
            {"phase": "transforming", "activity": MODELS, "progress": CASES},
            (3.27, 4.0, "Running dbt transforms: 3 of 10 models and tests"),
        ),
        ({"phase": "finishing", "progress": CASES}, (3.95, 4.0, "Counting rows")),
        ({"status": "completed", "phase": "done"}, (4.0, 4.0, "river/hq: completed")),
        ({"status": "paused"}, (4.0, 4.0, "river/hq: paused")),
    ],
)
def test_each_phase_has_its_steps_and_its_sentence(changes, expected):
    progress = of_run(replace(RUN, **changes))

    assert progress == (pytest.approx(expected[0]), *expected[1:])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(RunStatus)),
            st.sampled_from(list(Phase)),
            st.dictionaries(
                st.sampled_from(["cases", "forms", "users"]),
                st.fixed_dictionaries(
                    {
                        "fetched": st.none() | st.integers(0, 10**9),
                        "total": st.none() | st.integers(0, 10**9),
                    }
                ),
            ),
        ),
        max_size=20,
    )
)
def test_what_is_sent_grows_and_never_passes_its_total_whatever_a_run_says(states):
    growing = Growing()
    sent = [
        progress
        for status, phase, counts in states
        if (progress := growing.next(replace(RUN, status=status, phase=phase, progress=counts)))
    ]

    numbers = [each.progress for each in sent]
    assert numbers == sorted(set(numbers))
    assert all(0 <= each.progress <= each.total for each in sent)


def test_a_stream_of_unknown_length_moves():
    growing = Growing()
    forms = [{"forms": {"fetched": number, "total": None}} for number in (0, 10, 10, 5000)]

    sent = [growing.next(replace(RUN, progress=each)) is not None for each in forms]

    assert sent == [True, True, False, True]
