"""The standard tests that the SDK has for taps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from commcare_sandbox import Sandbox
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_commcare.tap import TapCommCare

# The suite looks at the streams before any fixture runs; the address is filled in by then.
SETTINGS: dict[str, Any] = {
    "domain": "river-health",
    "username": "demo@example.org",
    "api_key": "not yet known",
    "reports": ["not yet known"],
    "data_sources": ["not yet known"],
    "concurrency": 1,
}


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """A small server, known to the suite."""
    with Sandbox(cases=60, forms=60) as sandbox:
        SETTINGS.update(
            base_url=sandbox.url,
            api_key=sandbox.api_key,
            reports=sandbox.reports,
            data_sources=sandbox.data_sources,
        )
        yield


# Some columns are null in all of a few records, such as built_on of working copies.
@pytest.mark.filterwarnings("ignore:No records were available to test")
class TestStandard(
    get_tap_test_class(  # type: ignore[misc]
        TapCommCare,
        config=SETTINGS,
        suite_config=SuiteConfig(max_records_limit=60),
        parse_env_config=False,
    )
):
    """All of them, for all streams."""
