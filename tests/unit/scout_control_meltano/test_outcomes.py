"""What is said of a test that failed, which is no run."""

from __future__ import annotations

import pytest
from scout_control.meltano.outcomes import of_a_test


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "hq.example /a could not be read: no connection, 5 tries. Check base_url and the "
            "network. Run again later; the run resumes where it stopped. max_retry_seconds limits "
            "how long one request is retried.",
            "hq.example /a could not be read: no connection, 5 tries.",
        ),
        (
            "Wait. Run again after 2026-11-29T02:00:00.5Z; the run resumes where it stopped.",
            "Wait.",
        ),
        ("The links form a cycle. Run again later.", "The links form a cycle."),
        ("The key is wrong.", "The key is wrong."),
    ],
)
def test_a_test_resumes_nothing(text, said):
    assert of_a_test(text) == said
