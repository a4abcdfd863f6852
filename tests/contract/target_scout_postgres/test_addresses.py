"""Messages show the server's address if it is unambiguous, and never a part of a password."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.urls import leaks, nasty

COMMAND = str(Path(sys.executable).parent / "target-scout-postgres")
START = b'{"type":"SCHEMA","stream":"t","schema":{"properties":{}},"key_properties":[]}\n'


def start(*arguments, text=START):
    return subprocess.run(
        [COMMAND, *arguments], input=text, capture_output=True, timeout=120, check=False
    )


def test_no_part_of_any_password_is_shown(tmp_path):
    def attempt(number):
        password, url = nasty()[number]
        config = tmp_path / f"{number}.json"
        config.write_text(json.dumps({"database_url": url, "default_target_schema": "s"}))
        done = start("--config", str(config))
        shown = (done.stdout + done.stderr).decode()
        return (
            url,
            done.returncode in (1, 2),
            "fault" in shown or "Traceback" in shown,
            leaks(password, shown),
        )

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(attempt, range(len(nasty()))))

    assert len(found) > 40
    assert [one for one in found if not one[1] or one[2] or one[3]] == []


def test_about_shows_nothing_of_the_settings(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"database_url": "postgresql://u:Zqx/Jvk@h/db"}))
    done = start("--config", str(config), "--about", "--format", "json")

    assert leaks("Zqx/Jvk", (done.stdout + done.stderr).decode()) == set()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://u:secret@127.0.0.1:1/db", "127.0.0.1:1/db"),
        ("postgres://u@127.0.0.1:1/db?sslmode=disable", "127.0.0.1:1/db"),
        ("postgresql+psycopg2://u:secret@127.0.0.1:1", "127.0.0.1:1"),
    ],
)
def test_an_address_that_is_sure_is_shown(tmp_path, url, address):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"database_url": url, "default_target_schema": "s"}))
    done = start("--config", str(config))

    assert done.returncode == 1
    assert f"Postgres at {address} does not answer" in done.stderr.decode()
