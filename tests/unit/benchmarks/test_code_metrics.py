"""The metrics count what their table says."""

from __future__ import annotations

import pytest

from benchmarks.code_metrics import HEAD, SourceFile, cycles, distributions, percentile, row

TEXT = '''"""Return nothing."""
import os  # noqa: F401 - an example
# ------------
# Why, not what.
# type: ignore
def short():
    """Say something."""
    return 1


class Thing:
    def long(self):
        """Return a thing."""
        # Inside too.
        return 2
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(TEXT)
    return SourceFile(path)


def test_comments_are_counted_without_banners_and_switches_of_tools(file):
    assert (file.comment_lines, file.noqa, file.lines) == (2, 1, 15)


def test_functions_are_measured_from_def_to_the_end_of_their_body(file):
    assert sorted(file.functions) == [3, 4]


def test_docstrings_that_begin_with_return_are_counted(file):
    cells = dict(zip(HEAD, row("example", [file], "0 (0)"), strict=True))

    assert cells['docstrings "Return"'] == "2 of 3"
    assert cells["noqa per 1000"] == "66.7"


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, [{"a", "b"}]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": {"d"}}, [{*"abc"}, {*"de"}]),
    ],
)
def test_circles_are_groups_that_import_each_other(edges, expected):
    assert cycles(edges) == expected


def test_percentiles_are_values_of_the_list():
    values = list(range(1, 11))

    assert (percentile(values, 0.5), percentile(values, 0.9), percentile([], 0.9)) == (5, 9, 0)


def test_a_package_that_two_distributions_link_to_counts_once(tmp_path):
    shared = tmp_path / "shared" / "shared_package"
    shared.mkdir(parents=True)
    (shared / "__init__.py").write_text("")
    for name in ("one", "two"):
        (tmp_path / name / name).mkdir(parents=True)
        (tmp_path / name / "pyproject.toml").write_text("")
        (tmp_path / name / name / "__init__.py").write_text("")
        (tmp_path / name / "shared_package").symlink_to(shared)

    found = {each.name: len(each.packages) for each in distributions(tmp_path)}

    assert found == {"one": 2, "two": 1}
