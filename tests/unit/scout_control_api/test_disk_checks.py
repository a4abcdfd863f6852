"""What doctor says about file systems."""

from __future__ import annotations

from pathlib import Path

from scout_control.api.disk_checks import finding


def test_a_folder_with_space_is_well(tmp_path):
    found = finding(tmp_path, "the installation", 1)

    assert found.is_well
    assert f"MB are free in {tmp_path} (the installation)" in found.finding
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_found_before_it_is_full(tmp_path):
    found = finding(tmp_path, "the installation", 2**60)

    assert not found.is_well
    assert str(tmp_path) in found.remedy


def test_a_folder_that_cannot_be_written_is_found():
    found = finding(Path("/proc/self"), "temporary files", 1)

    assert not found.is_well
    assert "/proc/self of temporary files cannot be written" in found.finding
