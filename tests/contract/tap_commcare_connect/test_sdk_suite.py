"""The SDK's test suite for taps, on a separate server."""

from __future__ import annotations

from typing import Any

import pytest
from commcare_sandbox import Sandbox
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_commcare_connect.tap import TapCommCareConnect

SETTINGS: dict[str, Any] = {"base_url": "http://127.0.0.1:9", "access_token": "set-by-the-fixture"}


@pytest.fixture(autouse=True, scope="module")
def _address(world: Sandbox) -> None:
    SETTINGS["base_url"] = world.connect.url
    SETTINGS["access_token"] = world.connect.logins()["access_token"]


TestSdkSuite = get_tap_test_class(
    TapCommCareConnect, config=SETTINGS, suite_config=SuiteConfig(max_records_limit=5)
)
