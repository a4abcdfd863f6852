"""Reads secrets from where files refer to: the environment, a file, or the output of a program.

A secret that many objects refer to is read once. No message quotes a secret, or what a program
printed.
"""

from __future__ import annotations

import os
import selectors
import signal
import stat
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from scout_control.api.desired_state.schema import SecretReference

MAX_BYTES = 64 * 1024
TIMEOUT_SECONDS = 30.0
# What a program that fetches a secret does not need, and must not leak.
WITHHELD = frozenset({"SCOUT_ENCRYPTION_KEYS", "SCOUT_DATABASE_URL"})


class UnreadableError(Exception):
    """Why a secret cannot be read, as the end of a sentence that begins with its place."""


class Secrets:
    """Secrets by their references."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self._timeout_seconds = timeout_seconds
        self._known: dict[tuple[Any, ...], str | UnreadableError] = {}

    def read(self, reference: SecretReference, folder: Path) -> str:
        """Return a secret.

        Args:
            reference: Where it is.
            folder: What a path is relative to, and where a program is started.

        Raises:
            UnreadableError: It cannot be read, or is empty.
        """
        key = (reference.env, reference.file, tuple(reference.command or ()), folder)
        if key not in self._known:
            try:
                self._known[key] = self._read(reference, folder)
            except UnreadableError as error:
                self._known[key] = error
        known = self._known[key]
        if isinstance(known, UnreadableError):
            raise known
        return known

    def _read(self, reference: SecretReference, folder: Path) -> str:
        if reference.env is not None:
            return self._read_variable(reference.env)
        if reference.file is not None:
            path = folder / reference.file
            return _text(_read_file(path), str(path))
        program, *arguments = reference.command or [""]
        output = self._run(program, arguments, folder)
        return _text(output, f"the output of {program}")

    def _read_variable(self, name: str) -> str:
        value = self._environment.get(name)
        if value is None:
            raise UnreadableError(f"needs the environment variable {name}, which is not set.")
        if not value:
            raise UnreadableError(f"needs the environment variable {name}, which is empty.")
        return value

    def _run(self, program: str, arguments: list[str], folder: Path) -> bytes:
        """Return what a program prints; its stderr is discarded, since it may quote the secret."""
        subject = f"needs the output of {program}, which"
        try:
            process = subprocess.Popen(  # noqa: S603 - what the operator's own file says
                [program, *arguments],
                cwd=folder,
                env={k: v for k, v in self._environment.items() if k not in WITHHELD},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "its name is invalid"
            raise UnreadableError(f"{subject} cannot be started: {reason}.") from None
        with _ended(process):
            output = _output(process, time.monotonic() + self._timeout_seconds)
        if output is None:
            raise UnreadableError(f"{subject} took longer than {self._timeout_seconds:g} s.")
        if process.returncode and len(output) <= MAX_BYTES:
            raise UnreadableError(f"{subject} failed (exit code {process.returncode}).")
        return output


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a program and what it started, unless it has ended by itself."""
    try:
        yield
    finally:
        # Until it is waited for, its id is not given to another process.
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _output(process: subprocess.Popen[bytes], deadline: float) -> bytes | None:
    """Return what a program prints until it ends, up to the limit; None if it takes too long."""
    if process.stdout is None:
        return b""
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(output) <= MAX_BYTES:
            if not selector.select(max(deadline - time.monotonic(), 0)):
                return None
            if not (chunk := os.read(process.stdout.fileno(), MAX_BYTES)):
                break
            output += chunk
    if len(output) <= MAX_BYTES:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            return None
    return output


def _read_file(path: Path) -> bytes:
    try:
        # O_NONBLOCK: opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableError(f"needs {path}, which is not a regular file.")
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is invalid"
        raise UnreadableError(f"needs {path}, which cannot be read: {reason}.") from None


def _text(content: bytes, subject: str) -> str:
    """Return a secret without the line end after it."""
    if len(content) > MAX_BYTES:
        raise UnreadableError(f"needs {subject}, which is longer than {MAX_BYTES:,} bytes.")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise UnreadableError(f"needs {subject}, which is not UTF-8 text.") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text:
        flaw = "contains a NUL character" if text else "is empty"
        raise UnreadableError(f"needs {subject}, which {flaw}.")
    return text
