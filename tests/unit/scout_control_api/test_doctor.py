"""What the checks of an installation find, and that one that fails stops no other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from scout_control.api import dataset_checks, doctor
from scout_control.api.audit import Verification
from scout_control.api.views import Finding
from scout_control.errors import ServerError, SettingsError
from scout_control.installation.encryption import generate
from scout_control.installation.installation import Installation
from scout_control.installation.settings import Settings


def an_installation(tmp_path, **values) -> Installation:
    return Installation(Settings(project_root=Path("/p"), home=tmp_path, **values))


@pytest.mark.parametrize(
    ("found", "is_well", "text", "remedy"),
    [
        (doctor.version_finding(180006), True, "PostgreSQL 18", ""),
        (doctor.version_finding(140000), True, "PostgreSQL 14", ""),
        (doctor.version_finding(130999), False, "PostgreSQL 13", "14 or later"),
        (doctor.version_finding(0), False, "PostgreSQL 0", "14 or later"),
        (doctor.privileges_finding(is_able=True), True, "may create", ""),
        (doctor.privileges_finding(is_able=False), False, "may not create", "CREATEROLE"),
        (doctor.clock_finding(0.04), True, "0.0 s from", ""),
        (doctor.clock_finding(4.99), True, "5.0 s from", ""),
        (doctor.clock_finding(5.0), False, "5.0 s from", "NTP"),
        (doctor.store_finding("0010", "0010"), True, "version 0010 of 0010", ""),
        (doctor.store_finding("0009", "0010"), False, "version 0009 of 0010", "scout init"),
        (doctor.store_finding(None, "0010"), False, "version none of 0010", "scout init"),
    ],
)
def test_what_is_not_well_has_a_remedy(found, is_well, text, remedy):
    assert (found.is_well, bool(found.remedy)) == (is_well, not is_well)
    assert text in found.finding
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("flaws", "is_whole", "text"),
    [
        ([], True, "intact, 1 event"),
        ([{"position": 3, "flaw": "it was changed"}], False, "tampered with: it was changed"),
    ],
)
def test_a_trail_that_was_tampered_with_is_reported_with_its_first_flaw(flaws, is_whole, text):
    trail = Verification(is_whole=is_whole, events=1, first=1, last=1, hash="h", flaws=flaws)
    found = doctor.audit_finding(trail)

    assert (found.is_well, found.finding) == (is_whole, text)
    assert bool(found.remedy) is not is_whole


@pytest.mark.parametrize(
    "error", [ServerError("It is away.", "Start it."), SettingsError("x", "y")]
)
def test_a_check_that_fails_is_a_finding_of_its_own(error):
    def check(_installation):
        yield Finding(check="first", is_well=True, finding="fine")
        raise error

    before, found = doctor._run("servers", check, None, [])

    assert (before.check, before.finding) == ("first", "fine")
    assert (found.check, found.is_well) == ("servers", False)
    assert (found.finding, found.remedy) == (error.cause, error.remedy)


def test_keys_are_tried_and_their_origin_is_named(tmp_path):
    [found] = doctor._keys(an_installation(tmp_path, encryption_keys=generate()))
    assert (found.is_well, found.finding) == (True, "from SCOUT_ENCRYPTION_KEYS")

    without = an_installation(tmp_path, database_url="postgresql://u@db/x")
    [missing] = doctor._run("keys", doctor._keys, without, [])
    assert not missing.is_well
    assert "scout keys generate" in missing.remedy


def test_a_role_that_could_not_be_dropped_is_named_with_a_safe_statement():
    role = SimpleNamespace(name='odd"role', databases=["a", "b"])
    found = doctor._remaining_role(role)

    assert "owns objects in a, b" in found.finding
    assert 'DROP OWNED BY "odd""role"' in found.remedy
    nowhere = doctor._remaining_role(SimpleNamespace(name="r", databases=[]))
    assert "an unknown database" in nowhere.finding


def test_each_check_has_a_name_of_its_own():
    assert max(Counter(name for name, _ in doctor.CHECKS).values()) == 1


def test_a_failed_dataset_never_has_an_unknown_reason():
    known = dataset_checks.failure_finding("river/hq", "no luck", "r1")
    again = dataset_checks.failure_finding("ri ver/hq", None, None)

    assert (known.finding, known.is_well) == ("failed: no luck", False)
    assert known.remedy == "For its latest run, see: scout runs show r1"
    assert "its credential was stored again since" in again.finding
    assert "scout run 'ri ver/hq'" in again.remedy
    assert again.remedy.endswith("scout runs list")
