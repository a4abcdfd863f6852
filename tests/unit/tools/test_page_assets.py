"""The script of the page is the published one, and has its licence beside it."""

from __future__ import annotations

import hashlib

from tools import page_assets

SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"


def test_the_script_is_the_published_one():
    content = (page_assets.FOLDER / "htmx.min.js").read_bytes()

    assert hashlib.sha256(content).hexdigest() == SHA256
    assert "PERMISSION TO USE" in (page_assets.FOLDER / "htmx.LICENSE.txt").read_text().upper()
    assert page_assets.INTEGRITY.startswith("sha512-")
    assert page_assets.PACKAGE.rpartition("@")[2].encode() in content
