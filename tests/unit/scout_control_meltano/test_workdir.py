"""Files of a plugin are read safely: pipes, devices, links, huge or deeply nested content."""

from __future__ import annotations

import os

import pytest
from scout_control.credentials import records
from scout_control.meltano import workdir
from scout_control.rules import singer_catalog

DEEP = b"[" * 200_000


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "device", "link", "folder", "large"])
def test_only_a_regular_file_within_the_limit_is_read(tmp_path, kind, monkeypatch):
    path = tmp_path / "credential.json"
    (tmp_path / "plain").write_text("{}")
    monkeypatch.setattr(workdir, "MAX_BYTES", 100)
    make = {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "link": lambda: path.symlink_to(tmp_path / "plain"),
        "folder": path.mkdir,
        "large": lambda: path.write_bytes(b" " * 101),
    }
    make[kind]()

    with pytest.raises(OSError):  # noqa: PT011 - of five kinds
        workdir.read(path)
    assert workdir.read(tmp_path / "plain") == b"{}"


def test_unbounded_nesting_is_neither_a_catalog_nor_a_credential():
    assert singer_catalog.streams(DEEP) == {}
    login = records.RunCredential(credential_id=None, kind="oauth", fields={})
    assert not records.store_rotated_token(None, None, login, DEEP)
