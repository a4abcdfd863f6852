"""What a source lacks, its links may supply; what lacked it before stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from scout_control.api.desired_state.completeness import lacking_link, lacking_source
from scout_control.api.desired_state.items import Item, Key, Kind
from scout_control.meltano.project import Plugins

TYPE = Plugins(Path(__file__).parents[3]).source_type("commcare")
SOURCE, LINK = Key(Kind.SOURCE, "hq"), Key(Kind.LINK, "river/hq")
OTHER = Key(Kind.LINK, "lake/other")
FULL, BARE = Item(fields={"config": {"domain": "d"}}), Item(fields={"config": {}})
ENDED = Item(fields={"config": {"domain": "d"}}, is_active=False)
MISSING = "domain or domains"


@pytest.mark.parametrize(
    ("desired", "actual", "removed", "missing"),
    [
        ({SOURCE: FULL}, {}, (), ""),
        ({SOURCE: BARE}, {}, (), MISSING),
        ({SOURCE: BARE, LINK: FULL}, {}, (), ""),
        ({SOURCE: BARE, LINK: BARE}, {}, (), ""),  # the link says so
        ({SOURCE: BARE, OTHER: FULL}, {}, (), MISSING),
        ({SOURCE: BARE}, {SOURCE: FULL, LINK: FULL}, (), ""),
        ({SOURCE: BARE}, {SOURCE: FULL, LINK: BARE}, (), f"{MISSING}, which river/hq needs"),
        ({SOURCE: BARE}, {SOURCE: FULL, LINK: ENDED}, (), MISSING),
        ({SOURCE: BARE}, {SOURCE: FULL, LINK: FULL}, (LINK,), MISSING),
        ({SOURCE: BARE}, {SOURCE: BARE}, (), ""),
        ({SOURCE: BARE}, {SOURCE: BARE, LINK: BARE}, (), ""),
    ],
)
def test_of_a_source(desired, actual, removed, missing):
    told = f"lacks the setting {missing}. Write it in config." if missing else ""
    assert lacking_source("hq", TYPE, desired, actual, removed.__contains__) == told


@pytest.mark.parametrize(
    ("desired", "actual", "missing"),
    [
        ({SOURCE: FULL, LINK: BARE}, {}, ""),
        ({SOURCE: BARE, LINK: FULL}, {}, ""),
        ({SOURCE: BARE, LINK: BARE}, {}, MISSING),
        ({LINK: BARE}, {SOURCE: FULL}, ""),
        ({LINK: BARE}, {SOURCE: BARE}, MISSING),
        ({LINK: BARE}, {SOURCE: BARE, LINK: FULL}, MISSING),
        ({LINK: BARE}, {SOURCE: BARE, LINK: BARE}, ""),
        ({SOURCE: BARE, LINK: BARE}, {SOURCE: FULL, LINK: BARE}, MISSING),
        ({LINK: BARE}, {}, ""),  # that its source does not exist is said elsewhere
    ],
)
def test_of_a_link(desired, actual, missing):
    assert lacking_link(LINK, TYPE, desired, actual) == missing
