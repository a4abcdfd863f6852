"""``scout keys``: generate, rotate, and encrypt configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from scout_control.cli.base import LazyGroup, json_option, with_scout
from scout_control.cli.confirmation import confirm, yes_option
from scout_control.cli.output import print_done, print_result
from scout_control.cli.terminal import say
from scout_control.rules.terminal import as_json, escaped
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scout_control.api.keys import Rotation
    from scout_control.api.scout import Scout


@click.group(cls=LazyGroup)
def keys() -> None:
    """Manage the keys that encrypt stored secrets."""


@keys.command("generate")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this new file (mode 0600) instead; an existing file is never changed.",
)
@json_option
def generate_key(*, out: Path | None) -> None:
    """Print a new key for SCOUT_ENCRYPTION_KEYS, each time another one."""
    from scout_control.installation import encryption

    if out is not None:
        encryption.create_file(out)
        print_done(f"A new key is in {out}. Keep a copy: without it, stored secrets are lost.")
        return
    key = encryption.generate()
    print_result({"key": key}, lambda: say(key))


@keys.command()
@click.option(
    "--forget-old",
    is_flag=True,
    help="Then remove the older keys from the key file, after a question; restart workers first.",
)
@yes_option
@with_scout
def rotate(scout: Scout, *, forget_old: bool, yes: bool) -> None:
    """Re-encrypt secrets with the primary key, without downtime.

    With a key file, a new primary key is added first if everything has the present one already; a
    new key that you have put first is used as it is. With SCOUT_ENCRYPTION_KEYS, put the new key
    before the old ones in every process, rotate, then remove the old keys.
    """
    if forget_old:
        _confirm_removal(scout, is_confirmed=yes)
    done = scout.keys.rotate(forget_old=forget_old)
    print_done(" ".join(sentences(done, forget_old=forget_old)), done.as_dict())


def _confirm_removal(scout: Scout, *, is_confirmed: bool) -> None:
    planned = scout.keys.plan_rotation()
    if planned.older_keys:
        confirm(
            f"Re-encrypt all secrets, then remove {counted(planned.older_keys, 'older key')} from "
            f"{escaped(planned.file or '')}? Backups of the store from before need them.",
            is_confirmed=is_confirmed,
        )


def sentences(done: Rotation, *, forget_old: bool) -> Iterator[str]:
    """Yield what a rotation has done, and what follows for copies of the key file."""
    yield f"Re-encrypted {counted(done.changed, 'secret')} with the primary key."
    if done.added_key:
        yield (
            f"A new key was added to {done.file}: earlier copies of the file no longer suffice. "
            "Keep a copy of it."
        )
    if done.removed_keys:
        yield f"Removed {counted(done.removed_keys, 'older key')} from {done.file}."
    if forget_old and done.file is None:
        yield "Remove the older keys from SCOUT_ENCRYPTION_KEYS yourself, in every process."


@keys.command("encrypt")
@click.argument("file", type=click.File("r"), default="-")
@with_scout
def encrypt_config(scout: Scout, file: IO[str]) -> None:
    """Print a JSON configuration with its secrets encrypted, for storage or transfer."""
    try:
        config = json.load(file)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise click.UsageError(f"{file.name} is not a JSON object.")
    say(as_json(scout.encrypt_credentials(config)))
