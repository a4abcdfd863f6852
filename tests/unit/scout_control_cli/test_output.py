"""How results and errors are shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import scout_control.cli
from click.testing import CliRunner
from scout_control.cli.base import LazyGroup, json_option
from scout_control.cli.output import _draw_folded, print_result, print_table
from scout_control.rules.json_values import to_json_value


def commands(function):
    group = LazyGroup(name="scout")
    group.add_command(json_option(click.command("act")(function)))
    return group


def test_operating_system_errors_are_printed_as_json():
    def act():
        raise PermissionError(13, "Permission denied", "/nowhere")

    result = CliRunner().invoke(commands(act), ["act", "--json"])

    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["message"] == "Permission denied at /nowhere."


def test_a_broken_pipe_to_another_program_is_an_error():
    def act():
        raise BrokenPipeError(32, "Broken pipe")

    result = CliRunner().invoke(commands(act), ["act"])

    assert (result.exit_code, "Broken pipe" in result.stderr) == (1, True)


ACTING = """
import sys
import click
from scout_control.cli.base import LazyGroup
group = LazyGroup(name="scout")
@group.command()
def act():
    {act}
group(sys.argv[1:])
"""


def acting(act, *words, **streams):
    script = ACTING.format(act=act)
    return subprocess.run([sys.executable, "-c", script, *words], check=False, text=True, **streams)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("pass", ["--help"]),
        ("pass", ["act", "--help"]),
        ("click.echo('x' * 1_000_000)", ["act"]),
        ("click.echo('x')", ["act"]),
        ("sys.stdout.write('x')", ["act"]),  # found when the interpreter flushes
    ],
)
def test_where_nobody_reads_the_output_a_command_ends_as_others_do(act, words):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = acting(act, *words, stdout=gone, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (141, "")

    with Path("/dev/full").open("w") as full:
        done = acting(act, *words, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: No space left on device.")
    assert len(done.stderr.splitlines()) == 1


def test_messages_that_nobody_reads_end_it_the_same_way():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = acting("pass", "unknown", stdout=subprocess.PIPE, stderr=gone)

    assert (done.returncode, done.stdout) == (141, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(closed):
    script = f'"$0" -m scout_control completion bash {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_non_finite_numbers_are_text_in_json():
    def act():
        print_result(to_json_value([float("nan"), float("-inf"), 1.5]))

    result = CliRunner().invoke(commands(act), ["act"])

    assert json.loads(result.stdout, parse_constant=lambda _: None) == ["NaN", "-Infinity", 1.5]


def test_spaces_stay_so_that_plans_can_be_read(capsys):
    plan = ["Hash Join", "  Hash Cond: (a = b)", "  ->  Seq Scan on a  (cost=0)"]
    print_table([{"QUERY PLAN": line} for line in plan], ["QUERY PLAN"], "No rows.")

    assert capsys.readouterr().out.splitlines()[1:] == plan
    folded = _draw_folded([["QUERY PLAN"], *([line] for line in plan)], "row")
    assert [line.rstrip() for line in folded[1:]] == plan


def test_columns_with_the_same_name_keep_their_values(capsys):
    print_table([{"0": 300, "1": 150}], ["0", "1"], titles=["count", "count"])

    assert capsys.readouterr().out.split() == ["count", "count", "300", "150"]


@pytest.mark.parametrize(("kind", "code"), [(EOFError, 2), (KeyboardInterrupt, 130)])
def test_prompts_without_input_and_interrupts_have_different_exit_codes(kind, code):
    def act():
        try:
            raise kind
        except (EOFError, KeyboardInterrupt):
            raise click.Abort from None

    assert CliRunner().invoke(commands(act), ["act"]).exit_code == code


def test_all_output_goes_through_say():
    """Commands print through ``say`` only, except click's script, drawn tables and CSV."""
    folder = Path(scout_control.cli.__file__).parent
    found = {
        path.name: len(re.findall(r"click\.s?echo\(|sys\.std\w+\.write", path.read_text()))
        for path in folder.glob("*.py")
    }

    assert {name: count for name, count in found.items() if count} == {
        "admin.py": 1,
        "output.py": 1,
        "query.py": 1,
        "terminal.py": 1,
    }
