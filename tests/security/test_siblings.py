"""A sibling process that a plugin creates gets nothing from control."""

from __future__ import annotations

import json
import sys

import pytest
from support.hostile_taps import installed

# A child of our own parent, Meltano: at the same level of the process tree as plugins.
BESIDE = """
    import ctypes, signal, socket, time

    work = Path(os.environ["MELTANO_SYS_DIR_ROOT"]).parent
    CLONE_PARENT, CLONE = 0x00008000, {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    system = ctypes.CDLL(None, use_errno=True)
    if system.syscall(CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        answers = []
        for name in ("target-scout-postgres", "dbt-postgres", "tap-spy"):
            with socket.socket(socket.AF_UNIX) as opened:
                opened.settimeout(60)
                opened.connect(str(work / "control"))
                try:
                    opened.sendall(json.dumps({"plugin": name}).encode() + b"\\n")
                    answers.append(opened.makefile().readline())
                except OSError:
                    answers.append("")
        (folder / "draft").write_text(json.dumps(answers))
        (folder / "draft").rename(folder / "answers.json")
        os._exit(0)
    until = time.monotonic() + 30
    while not (folder / "answers.json").exists() and time.monotonic() < until:
        time.sleep(0.1)
"""


# Control may have given something up before; a mark that it has itself tells nothing of a plugin.
CONTROLS = {"as it is": [], "of few privileges": ["setpriv", "--no-new-privs"]}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such processes")
@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)
def test_a_process_beside_a_plugin_is_told_nothing(postgres, tmp_path_factory, control):
    with installed(postgres, tmp_path_factory.mktemp("siblings")) as installation:
        dataset = installation.dataset("river")
        dataset.does(BESIDE)

        done = installation.run(dataset, before=control)
        answers = json.loads((dataset.folder / "answers.json").read_text())

    assert done.returncode == 0, done.stderr
    assert len(answers) == 3
    for told in answers:
        assert told == "" or set(json.loads(told)) == {"refused"}
