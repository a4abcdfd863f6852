"""A command that does not exist gets the one that it probably means, imported or not."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from scout_control.cli.main import main


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["souces", "list"], "sources"),
        (["linsk"], "links"),
        (["zzz"], None),
        (["links", "updaet"], "update"),
        (["sources", "list", "--jsno"], "--json"),
    ],
)
def test_an_unknown_command_ends_with_2_and_a_suggestion(words, meant):
    done = CliRunner().invoke(main, words)
    message = done.stderr.splitlines()[-1]

    assert done.exit_code == 2
    assert message.startswith("Error: No such ")
    assert ("Did you mean" in message) == (meant is not None)
    assert meant is None or meant in message
