"""The URL that the sandbox says it serves at."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from commcare_sandbox.server import LOOPBACK, base_url


@pytest.mark.parametrize("host", LOOPBACK)
def test_the_url_of_the_sandbox_leads_back_to_its_address(host):
    parts = urlsplit(base_url(host, 8123))

    assert (parts.hostname, parts.port) == (host, 8123)
