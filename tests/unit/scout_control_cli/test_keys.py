"""What ``scout keys rotate`` says of the key file."""

from __future__ import annotations

import pytest
from scout_control.api.keys import Rotation
from scout_control.cli.keys import sentences

ROTATED = "Re-encrypted 1 secret with the primary key."
ADDED = "A new key was added to f.keys: earlier copies of the file no longer suffice. Keep a copy"


@pytest.mark.parametrize(
    ("given", "forget_old", "further"),
    [
        ({}, False, []),
        ({"added_key": True}, False, [ADDED]),
        ({"removed_keys": 1}, True, ["Removed 1 older key from f.keys."]),
        ({"added_key": True, "removed_keys": 2}, True, [ADDED, "Removed 2 older keys from f.keys"]),
        ({"file": None}, False, []),
        ({"file": None}, True, ["Remove the older keys from SCOUT_ENCRYPTION_KEYS yourself"]),
    ],
)
def test_a_rotation_says_what_became_of_the_keys(given, forget_old, further):
    usual = {"changed": 1, "file": "f.keys", "added_key": False, "removed_keys": 0}
    first, *others = sentences(Rotation(**usual | given), forget_old=forget_old)

    assert first == ROTATED
    assert len(others) == len(further)
    assert all(said.startswith(begin) for said, begin in zip(others, further, strict=True))
