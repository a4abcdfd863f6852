"""Benchmarks are found by their files, and `--help` never starts one."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import FOLDER, main, measurements

NAMES = sorted(measurements())


def source(name: str) -> str:
    module = FOLDER.joinpath(*name.split("."))
    path = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
    return path.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_parses_its_arguments_before_it_starts(name):
    assert any(parser in source(name) for parser in ("parse_args(", "@click.command"))


def test_an_unknown_name_lists_the_benchmarks_and_exits_with_2(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks", "taget"])
    assert main() == 2
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == NAMES
