"""What is said of a test that failed, which is no run."""

from __future__ import annotations

import pytest
from scout_control.meltano.outcomes import KEPT, REMEDIES, of_a_test


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "hq.example /a could not be read: no connection, 5 tries. Check base_url and the "
            "network. Run again later; the run resumes where it stopped. max_retry_seconds limits "
            "how long one request is retried.",
            "hq.example /a could not be read: no connection, 5 tries. Check base_url and the "
            "network. Try again later. max_retry_seconds limits how long one request is retried.",
        ),
        (
            "Wait. Run again after 2026-11-29T02:00:00Z; the run resumes where it stopped.",
            "Wait. Try again after 2026-11-29T02:00:00Z.",
        ),
        (f"{KEPT} Run again to resume.", "Try again later."),
        (KEPT, ""),
        ("The key is wrong.", "The key is wrong."),
    ],
)
def test_a_test_resumes_nothing(text, said):
    assert of_a_test(text) == said


def test_no_remedy_of_a_test_speaks_of_a_run():
    assert [text for text in map(of_a_test, REMEDIES.values()) if "run again" in text.lower()] == [
        "Run again at {resume_at} to resume.",
        "Run again when the other run has ended.",
    ]
