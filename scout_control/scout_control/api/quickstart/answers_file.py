"""The file ``quickstart.json``: answers of a quickstart that has not ended. It holds no secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scout_control.api.quickstart.answers import Answers
from scout_control.installation.installation import QUICKSTART_ANSWERS
from scout_control.meltano import trusted_files

if TYPE_CHECKING:
    from pathlib import Path


def load(home: Path) -> Answers:
    """Return the answers so far; none where there is no such file, or half of one."""
    try:
        return Answers.of(json.loads((home / QUICKSTART_ANSWERS).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return Answers()


def save(home: Path, answers: Answers) -> None:
    """Write the file; no other account can read it.

    Raises:
        SettingsError: It is a link, or belongs to another account.
    """
    with trusted_files.private_file(home / QUICKSTART_ANSWERS) as file:
        json.dump(answers.as_dict(), file, indent=1)


def remove(home: Path) -> None:
    """Forget the answers."""
    (home / QUICKSTART_ANSWERS).unlink(missing_ok=True)
