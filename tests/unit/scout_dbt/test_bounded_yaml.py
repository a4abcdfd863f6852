"""YAML that stands for more than it says is refused before anything is built of it."""

from __future__ import annotations

import pytest
from scout_dbt import bounded_yaml


def chain(first: str, link: str, count: int) -> str:
    """Return lines of which each refers to the one before it."""
    lines = [f"l0: &l0 {first}"]
    lines += [f"l{n}: &l{n} {link.format(f'*l{n - 1}')}" for n in range(1, count)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: " + "x" * bounded_yaml.MAX_BYTES, "longer than"),
        ("a: " + "[" * 300_000, "levels deep"),
        ("a: &a [*a]", "expand"),
        (chain("[x]", "[{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}]", 12), "expand"),
        (chain("{k: v}", "{{<<: [{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}]}}", 12), "expand"),
        (chain("[x]", "[{0}]", 900), "levels deep"),
    ],
    ids=["long", "deep", "in itself", "aliases", "merge keys", "deep by aliases"],
)
def test_what_exceeds_a_limit_is_refused(text, reason):
    with pytest.raises(bounded_yaml.LimitError, match=reason):
        bounded_yaml.compose(text)


@pytest.mark.parametrize("text", ["", "# nothing", "a: [1, {b: c}]", chain("[x]", "[{0}]", 100)])
def test_ordinary_documents_are_composed(text):
    root = bounded_yaml.compose(text)

    assert (root is None) == (not text or text.startswith("#"))
