"""A signal during a statement ends a command as a signal does, whatever the rollback says."""

from __future__ import annotations

import pytest
from scout_control.store.database import interruption


def followed_by(first: BaseException) -> LookupError:
    """Return an error with a cause that occurred while another exception was handled."""
    cause, last = ValueError(), LookupError()
    cause.__context__, last.__cause__ = first, cause
    return last


@pytest.mark.parametrize("signalled", [SystemExit(143), KeyboardInterrupt()])
def test_the_exception_of_a_signal_is_found_behind_the_errors_that_followed(signalled):
    assert interruption(followed_by(signalled)) is signalled


def test_errors_without_a_signal_are_no_interruption():
    assert interruption(followed_by(OSError())) is None
