"""Machines inside of this one: network namespaces with their own addresses, and cables to pull.

Needs root and Linux. Each machine reaches Postgres by TCP, and the sandbox, which is on loopback
only, through a forwarder at each end.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scout_control.installation import embedded_postgres

ACCOUNT = "nobody"
TRUSTED = "host all all 10.213.0.0/16 trust\n"
START_SECONDS = 30.0
FORWARD = """
import asyncio, sys
here, port, there, port_there = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
async def serve(reader, writer):
    try:
        far_reader, far_writer = await asyncio.open_connection(there, port_there)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
async def main():
    server = await asyncio.start_server(serve, here, port)
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass
class Machine:
    """One namespace."""

    name: str
    number: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def cable(self) -> str:
        """Return the name of our end of its cable."""
        return f"cable-{self.name}"

    @property
    def our_address(self) -> str:
        """Return the address by which it reaches us."""
        return f"10.213.{self.number}.1"

    def set_up(self) -> None:
        """Make the namespace, its cable and its address."""
        far = f"far-{self.name}"
        ip("netns", "add", self.name)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", far)
        ip("link", "set", far, "netns", self.name)
        ip("addr", "add", f"{self.our_address}/24", "dev", self.cable)
        ip("link", "set", self.cable, "up")
        for words in (
            ("addr", "add", f"10.213.{self.number}.2/24", "dev", far),
            ("link", "set", far, "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-n", self.name, *words)

    def start(self, command: list[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a program on it."""
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *command], **options)  # type: ignore[call-overload]  # passed on
        self.processes.append(process)
        return process

    def forward(self, port: int) -> None:
        """Let its loopback reach a port of ours."""
        ours = [sys.executable, "-c", FORWARD, self.our_address, str(port), "127.0.0.1", str(port)]
        its = [sys.executable, "-c", FORWARD, "127.0.0.1", str(port), self.our_address, str(port)]
        self.processes.append(subprocess.Popen(ours))
        self.start(its)

    def pull(self) -> None:
        """Pull its cable: packets vanish, nobody is told."""
        ip("link", "set", self.cable, "down")

    def plug(self) -> None:
        """Plug its cable in again."""
        ip("link", "set", self.cable, "up")

    def tear_down(self) -> None:
        """End what runs on it, and remove it."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(90)
            process.kill()
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True)


@contextmanager
def machines(*names: str) -> Iterator[list[Machine]]:
    """Set machines up; remove them afterwards."""
    made = [Machine(name, number) for number, name in enumerate(names, 1)]
    try:
        for machine in made:
            machine.set_up()
        yield made
    finally:
        for machine in made:
            machine.tear_down()


@contextmanager
def postgres(folder: Path, port: int) -> Iterator[str]:
    """Start a server that listens on all addresses; return the URL of its socket."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    subprocess.run(["chown", ACCOUNT, data], check=True)
    programs = embedded_postgres.psql().parent
    as_account = {"user": ACCOUNT, "cwd": data, "stdout": subprocess.DEVNULL}
    subprocess.run(
        [
            programs / "initdb",
            "-D",
            data,
            "--username=postgres",
            "--auth=trust",
            "--locale=C.UTF-8",
        ],
        check=True,
        **as_account,  # type: ignore[call-overload]  # passed on
    )
    with (data / "pg_hba.conf").open("a") as file:
        file.write(TRUSTED)
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data)]
    server = subprocess.Popen(
        [*command, "-c", "listen_addresses=*"],
        stderr=(folder / "postgres.log").open("wb"),
        **as_account,  # type: ignore[call-overload]  # passed on
    )
    try:
        until = time.monotonic() + START_SECONDS
        while not (data / f".s.PGSQL.{port}").exists() and time.monotonic() < until:
            time.sleep(0.1)
        yield f"postgresql://postgres@/postgres?host={data}&port={port}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
