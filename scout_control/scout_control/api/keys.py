"""The keys that encrypt stored secrets. No method returns one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.api.view import View
from scout_control.installation import key_rotation

if TYPE_CHECKING:
    from scout_control.installation.installation import Installation


@dataclass(frozen=True, kw_only=True)
class RotationPlan(View):
    """What a rotation would do with the keys."""

    file: str | None
    """The key file; None if the keys are in SCOUT_ENCRYPTION_KEYS."""
    adds_key: bool
    """Whether the file would get a new key: its first one has encrypted everything already."""
    older_keys: int
    """How many keys of the file are no longer needed afterwards."""


@dataclass(frozen=True, kw_only=True)
class Rotation(View):
    """What a rotation has done."""

    changed: int
    """How many secrets were re-encrypted."""
    file: str | None
    added_key: bool
    removed_keys: int


@dataclass(frozen=True)
class Keys:
    """The keys that encrypt stored secrets."""

    _installation: Installation

    def plan_rotation(self) -> RotationPlan:
        """Return what ``rotate`` would do with the keys; changes nothing.

        Raises:
            SettingsError: No configured key decrypts some of the secrets.
        """
        planned = key_rotation.plan(self._installation)
        return RotationPlan(
            file=str(planned.file) if planned.file else None,
            adds_key=planned.adds_key,
            older_keys=planned.older_keys,
        )

    def rotate(self, *, forget_old: bool = False) -> Rotation:
        """Re-encrypt secrets with the primary key.

        A key file gets a new primary key first, unless its first key is a new one already, with
        which not everything is encrypted yet. Copies of the file from before do not suffice then.

        Args:
            forget_old: Then remove the older keys from the key file. Processes that started before
                the rotation can no longer decrypt secrets.

        Raises:
            SettingsError: No configured key decrypts some of them; nothing was changed.
            ConflictError: Another process still encrypts with an older key; none was removed.
        """
        done = key_rotation.rotate(self._installation, forget_old=forget_old)
        return Rotation(
            changed=done.changed,
            file=str(done.file) if done.file else None,
            added_key=done.added_key,
            removed_keys=done.removed_keys,
        )
