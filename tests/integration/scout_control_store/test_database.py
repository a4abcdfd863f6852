"""Errors when the store cannot be reached or written."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import quote, urlencode

import pytest
from psycopg.conninfo import conninfo_to_dict
from scout_control.errors import ServerError, SettingsError
from scout_control.store.database import Store
from scout_control.store.models import Connection


@pytest.mark.parametrize(
    "url", ["x", "postgresql://u:canary@[::1/x", "postgresql://u:canary@h:a/x"]
)
def test_an_invalid_url_is_a_wrong_setting_and_is_not_quoted(url):
    with pytest.raises(SettingsError, match="not a URL of Postgres") as refused:
        Store(url)

    assert "canary" not in str(refused.value)


def test_a_read_only_server_is_reported_as_such(store):
    read_only = {"options": "-cdefault_transaction_read_only=on"}
    url = store.engine.url.update_query_dict(read_only).set(drivername="postgresql")
    standby = Store(url.render_as_string(hide_password=False))

    with pytest.raises(ServerError, match="is read-only"), standby.begin() as session:
        session.add(Connection(name="default"))

    standby.close()


FORKED = """
import os, sys
from sqlalchemy import text
from scout_control.store.database import Store
store = Store(sys.argv[1])
def ask():
    with store.begin() as session:
        assert session.scalar(text("SELECT 1")) == 1
ask()
child = os.fork()
ask()
if child == 0:
    os._exit(0)
ask()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_has_separate_connections(store):
    command = [sys.executable, "-c", FORKED, store.driver_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("word", ["a b", " ", "a+b", "a%20b", "/?#[]@:&=%", "é\u00a0☃", "a\tb"])
def test_libpq_parses_the_url_as_intended(word):
    login = f"{quote(word, safe='')}:{quote(word, safe='')}"
    options = urlencode({"host": "/a b+c", "options": f"-c x={word}"}, quote_via=quote)
    store = Store(f"postgresql://{login}@/{quote(word, safe='')}?{options}")
    found = conninfo_to_dict(store.driver_url)
    store.close()

    assert {found[name] for name in ("user", "password", "dbname")} == {word}
    assert (found["host"], found["options"]) == ("/a b+c", f"-c x={word}")
