"""The messages in the log are those of the README, word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commcare_sandbox import Sandbox

README = (Path(__file__).parents[3] / "tap-commcare-connect" / "README.md").read_text()
TEXTS = dict(re.findall(r"^\| ([\w ]+) \| `(.*)` \|$", README, re.MULTILINE))
QUICK = {"max_retry_seconds": 1, "page_size": 100}
DOWN = {"base_url": "http://127.0.0.1:9"}
PAUSE = {"fault": "429", "retry_after": "int", "retry_after_seconds": 900}
SITUATIONS = [
    ("wrong or expired token", {}, {"access_token": "dead"}, 77),
    ("token without the scope", {"connect_forbidden": True}, {}, 77),
    ("lost access to an opportunity", {"connect_hidden": "3"}, {}, 1),
    (
        "an opportunity in the settings that the account cannot see",
        {},
        {"opportunity_ids": [1, 77]},
        1,
    ),
    ("server down", {}, DOWN, 1),
    ("one opportunity returns 500", {"fault": "500", "fault_path": "/opportunity/3/"}, {}, 1),
    ("unexpected response", {"fault": "missing-key", "fault_path": "/user_data/"}, {}, 65),
    ("rate limit", PAUSE, {"max_rate_limit_wait": 300}, 75),
]


@pytest.mark.parametrize(
    ("what", "switches", "config", "code"), SITUATIONS, ids=[each[0] for each in SITUATIONS]
)
def test_the_log_says_what_the_readme_says(
    sandbox: Sandbox, tap, select, what, switches, config, code
):
    sandbox.set(**switches)
    run = tap(catalog=select("users"), **(QUICK | config))
    expected = re.escape(TEXTS[what].replace("connect.dimagi.com", "127.0.0.1"))
    expected = re.sub(r"\d+\\ tries", r"\\d+\\ tries", expected)

    assert run.code == code
    assert re.search(expected, run.log.replace("/connect/export/", "/export/"))
