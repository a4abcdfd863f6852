"""A tap can control what Meltano starts next, but gains no access to control by that.

The folder is writable for the tap, under root or not. So what Meltano starts is as far from control
and from other runs as the tap itself, whatever program it is.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from urllib.parse import quote

import pytest
from support.hostile_taps import STORE_PASSWORD, installed

# The tap puts a link to its own program in the place of all that Meltano may start after it.
REPLACE = """
    work = Path(os.environ["MELTANO_SYS_DIR_ROOT"]).parent
    for launcher in (work / "bin").iterdir():
        if launcher.name != "target-scout-postgres":
            launcher.unlink()
            launcher.symlink_to(folder / "instead")
    (folder / "work").write_text(str(work))
"""
INSTEAD = """
    import json, os, socket
    from pathlib import Path

    folder = Path(__file__).resolve().parent
    work = Path((folder / "work").read_text())
    loot, refused, signals = {}, 0, 0

    def parent(process):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])

    def memory(process):
        maps = Path(f"/proc/{process}/maps").read_text().splitlines()
        (heap,) = (line.split()[0] for line in maps if line.endswith("[heap]"))
        start, end = (int(each, 16) for each in heap.split("-"))
        with open(f"/proc/{process}/mem", "rb") as file:
            file.seek(start)
            return file.read(end - start).decode(errors="replace")

    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            loot[f"environment of {process}"] = Path(f"/proc/{process}/environ").read_text()
        except (OSError, ValueError):
            pass
    meltano = os.getppid()
    holder = parent(meltano)
    for process in (holder, parent(holder)):
        try:
            loot[f"memory of {process}"] = memory(process)
        except (OSError, ValueError):
            refused += 1
        try:
            os.kill(process, 0)
        except OSError:
            signals += 1
    answers = []
    for question in ({"state_id": "prod:other"}, {"plugin": "tap-other"}):
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(60)
            opened.connect(str(work / "control"))
            opened.sendall(json.dumps(question).encode() + b"\\n")
            answers.append(opened.makefile().readline())
    seen = {"loot": loot, "answers": answers, "refused": [refused, signals]}
    (folder / "seen.json").write_text(json.dumps(seen))
"""
LINUX = tuple(int(number) for number in re.findall("[0-9]+", os.uname().release)[:2])
SCOPES_SIGNALS = LINUX >= (6, 12)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are not kept apart")
def test_a_program_that_a_tap_puts_in_a_plugins_place_reads_nothing_of_control(
    postgres, tmp_path_factory
):
    with installed(postgres, tmp_path_factory.mktemp("run_folder")) as installation:
        dataset = installation.dataset("river")
        dataset.does(REPLACE)
        instead = dataset.folder / "instead"
        instead.write_text(f"#!{sys.executable}\n{textwrap.dedent(INSTEAD)}")
        instead.chmod(0o755)
        done = installation.run(dataset)
        seen = json.loads((dataset.folder / "seen.json").read_text())
    loot = json.dumps(seen["loot"])
    keys = str(installation.settings.encryption_keys)
    secrets = (STORE_PASSWORD, quote(STORE_PASSWORD, safe=""), keys, dataset.key)

    assert done.returncode == 0, done.stderr
    assert seen["loot"]  # of Meltano, at least
    assert not [secret for secret in secrets if secret in loot]
    assert seen["refused"] == [2, 2 if SCOPES_SIGNALS else 0]
    for told in seen["answers"]:
        assert set(json.loads(told)) == {"refused"}
