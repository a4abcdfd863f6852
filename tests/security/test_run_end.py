"""The end of a run is recorded, whatever its tap calls a stream or prints last."""

from __future__ import annotations

import json

import pytest
import yaml
from scout_control.api.scout import Scout
from support.hostile_taps import installed

STREAM = {"schema": {"properties": {"id": {"type": "integer"}}}, "key_properties": ["id"]}
NAMES = {"NUL": "n\0l", "half of a pair": "n\ud800l", "both": "n\0\ud800l"}
NOT_A_NUMBER = [STREAM | {"tap_stream_id": "odd", "stream": "odd", "schema": {"x": float("nan")}}]
SAID = """
    said = {"level": "error", "pid": 1, "logger_name": "tap-spy", "ts": 1.0, "thread_name": "t",
            "app_name": "tap", "stream_name": "s", "message": MESSAGE, "extra": {}}
    print(json.dumps(said), file=sys.stderr, flush=True)
    sys.exit(77)
"""


@pytest.fixture(scope="module")
def installation(postgres, tmp_path_factory):
    with installed(postgres, tmp_path_factory.mktemp("end")) as made:
        root = made.settings.project_root
        document = yaml.safe_load((root / "meltano.yml").read_text())
        for each in document["plugins"]["extractors"]:
            if each["name"] == "tap-spy":
                each["capabilities"].append("structured-logging")
        (root / "meltano.yml").write_text(yaml.safe_dump(document))
        tap = (root / "tap-spy").read_text()
        more = '[stream, *json.loads((Path(config["folder"]) / "more").read_text())]'
        (root / "tap-spy").write_text(tap.replace("[stream]", more))
        with Scout(made.settings) as scout:
            made.scout = scout
            yield made


def ended(installation, code="", more=()):
    """Run a new dataset, whose tap names more streams; return its runs in the store."""
    dataset = installation.dataset("river")
    (dataset.folder / "more").write_text(json.dumps(more))
    dataset.does(code)
    installation.scout.run(dataset.path)
    return installation.ask(
        "SELECT run.status FROM scout_control.runs AS run "
        f"JOIN scout_control.datasets AS dataset ON dataset.id = dataset_id "
        f"WHERE schema_name = '{dataset.schema}'"
    )


def test_whatever_a_catalog_holds(installation):
    more = [STREAM | {"tap_stream_id": name, "stream": name} for name in NAMES.values()]

    assert ended(installation, more=more) == [("completed",)]


def test_a_number_that_is_none_in_a_catalog(installation):
    assert ended(installation, more=NOT_A_NUMBER) == [("completed",)]


@pytest.mark.parametrize("kind", NAMES)
def test_whatever_a_tap_says_at_last(installation, kind):
    code = SAID.replace("MESSAGE", repr(NAMES[kind]))

    assert ended(installation, code) == [("failed",)]
