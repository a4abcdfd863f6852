"""Searches for planted secrets in files and in what another account sees of processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from scout_control.meltano import workdir

ANOTHER_ACCOUNT = 12345
SECONDS_BETWEEN_LOOKS = 0.3
# Polls what another account can read of all processes; gets the secrets on stdin. Without root it
# runs as the same account and reads arguments only, since that account may read its environments.
LOOK = """
import json, os, sys, time
names = ["cmdline"]
if os.geteuid() == 0:
    names.append("environ")
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
wanted = [bytes.fromhex(word) for word in json.loads(sys.stdin.readline())]
known, seen, found = {}, set(), set()
while not os.path.exists(sys.argv[1]):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in names:
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    text = file.read()
            except OSError:
                continue
            if known.get((pid, name)) == text:
                continue
            known[pid, name] = text
            seen.update(word for word in (b"tap-commcare", b"scout-dbt") if word in text)
            if any(word in text for word in wanted):
                found.add(f"{name} of {text[:60]!r}")
    time.sleep(0.05)
print(json.dumps([sorted(word.decode() for word in seen), sorted(found)]))
"""


def spellings(secret: str) -> set[bytes]:
    """Return the forms in which a secret could be written: plain, escaped or encoded."""
    raw = secret.encode()
    found = {raw, raw.hex().encode(), json.dumps(secret)[1:-1].encode()}
    found |= {urllib.parse.quote(secret, safe=safe).encode() for safe in ("", "/", ":@")}
    found.add(urllib.parse.quote_plus(secret).encode())
    for encode in (b64encode, urlsafe_b64encode):
        for shift, first in enumerate((0, 2, 3)):  # letters that follow the preceding escape
            coded = encode(b"\0" * shift + raw)
            found.add(coded[first : (shift + len(raw)) // 3 * 4])
    return found


class Files:
    """Searches all files below some folders, and those of runs, while they come and go."""

    def __init__(self, places: Collection[Path], wanted: Collection[bytes]) -> None:
        self.found: set[str] = set()
        self.seen: dict[Path, tuple[int, int]] = {}
        self._places, self._wanted = places, wanted
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _look_again_and_again(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        for path in self._files():
            with suppress(OSError):
                self._search(path)

    def _search(self, path: Path) -> None:
        facts = path.stat()
        now = (facts.st_mtime_ns, facts.st_size)
        if self.seen.get(path) == now:
            return
        text = path.read_bytes()
        self.seen[path] = now
        if any(word in text for word in self._wanted):
            self.found.add(str(path))

    def _files(self) -> Iterator[Path]:
        for place in [*self._places, *workdir.IN_MEMORY.glob("scout-run-*")]:
            for folder, _, names in os.walk(place):
                yield from (Path(folder, name) for name in names)


@contextmanager
def another_account(wanted: Collection[bytes]) -> Iterator[Callable[[], Any]]:
    """Watch all processes as another account; returns what it saw of runs, and secrets found."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        over = Path(place, "over")
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LOOK, str(over), str(ANOTHER_ACCOUNT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        words = json.dumps([word.hex() for word in wanted])

        def tell() -> Any:
            over.touch()
            return json.loads(process.communicate()[0])

        try:
            if process.stdin is not None:
                process.stdin.write(f"{words}\n")
                process.stdin.flush()
            yield tell
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
