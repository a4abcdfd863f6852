"""Starts the services of the demo: an installation on the embedded Postgres, and the sandbox.

What was started is stopped at the end, unless it is to be left running; the files remain.
"""

from __future__ import annotations

import fcntl
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from scout_control.api.scout import Scout
from scout_control.demo import sandbox as sandboxes
from scout_control.errors import ServerError, SettingsError
from scout_control.installation import embedded_postgres
from scout_control.installation.installation import DATABASE, POSTGRES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scout_control.demo.sandbox import Sandbox, Size
    from scout_control.installation.settings import Settings

LOCK = "demo.lock"


@dataclass(frozen=True, kw_only=True)
class Services:
    """A running installation and a running sandbox."""

    home: Path
    scout: Scout
    sandbox: Sandbox
    is_new_sandbox: bool

    @property
    def database_url(self) -> str:
        """Return the URL of the data without the password, which may be shown."""
        return embedded_postgres.url_to_show(self.home / POSTGRES, DATABASE)


def embedded(settings: Settings) -> Settings:
    """Return the settings of the installation on the embedded Postgres.

    The demo never writes to another server, even if the environment names one. The keys of that
    one are left out too.
    """
    if settings.database_url is None:
        return settings
    return replace(settings, database_url=None, encryption_keys=None)


@contextmanager
def started(settings: Settings, size: Size, *, keep_running: bool) -> Iterator[Services]:
    """Start the services that are not running; stop these at the end unless told to keep them."""
    home = settings.make_home()
    with _exclusive(home), ExitStack() as stack:
        is_new, wait_for_sandbox = _start_sandbox(home, size, stack, keep_running=keep_running)
        # The sandbox generates its data while the installation is being set up.
        scout = _start_installation(settings, stack, keep_running=keep_running)
        sandbox = wait_for_sandbox()
        yield Services(home=home, scout=scout, sandbox=sandbox, is_new_sandbox=is_new)


@contextmanager
def database(home: Path) -> Iterator[str]:
    """Start the embedded Postgres if it is not running, and yield a URL without the password."""
    with ExitStack() as stack:
        _stop_at_end(home, stack)
        server = embedded_postgres.start(home / POSTGRES)
        embedded_postgres.create_database(server, DATABASE)
        yield embedded_postgres.url_to_show(home / POSTGRES, DATABASE)


def stop(home: Path) -> list[str]:
    """Stop the services that a demo left running; return the names of those."""
    stopped = []
    if found := sandboxes.remembered(home):
        found.stop()
        stopped.append("sandbox")
    if embedded_postgres.stop(home / POSTGRES):
        stopped.append("Postgres")
    return stopped


def _start_sandbox(
    home: Path, size: Size, stack: ExitStack, *, keep_running: bool
) -> tuple[bool, Callable[[], Sandbox]]:
    """Start a sandbox unless one of the same size is running.

    Returns:
        Whether it is a new one, and a function that waits until it serves.
    """
    running = sandboxes.remembered(home)
    if running is not None and running.size == size:
        return False, partial(replace, running)
    if running is not None:
        running.stop()
    process = sandboxes.start(home, size)
    if not keep_running:
        stack.callback(sandboxes.end, process)
    return True, partial(sandboxes.ready, home, process, size)


def _start_installation(settings: Settings, stack: ExitStack, *, keep_running: bool) -> Scout:
    if not keep_running:
        _stop_at_end(settings.home, stack)
    scout = stack.enter_context(Scout(settings))
    try:
        scout.projects.list()
    except SettingsError:  # not initialised, or by an earlier version
        scout.init()
    return scout


def _stop_at_end(home: Path, stack: ExitStack) -> None:
    """Stop the embedded Postgres at the end, unless it is already running for something else."""
    data = home / POSTGRES
    if not embedded_postgres.is_running(data):
        stack.callback(embedded_postgres.stop, data)


@contextmanager
def _exclusive(home: Path) -> Iterator[None]:
    """Prevent a second demo from using the folder."""
    with (home / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerError(
                f"A demo is already running in {home}.", "Wait until it ends, or stop it."
            ) from None
        yield
