"""After a load: models are built, even if a stream failed, and every source gets a catalog."""

from __future__ import annotations

import sys
import textwrap

import pytest
import yaml

SOME_FAILED = (
    "event=finished exit_code=1 streams: things completed (3 records), other failed (403 records)"
)
MODELS = """
    import sys
    from pathlib import Path
    if not Path("good").exists():
        print("Failure in model of_things (models/of_things.sql)", file=sys.stderr)
        sys.exit(1)
"""


@pytest.fixture
def transformed(installation):
    """An installation whose pipeline has models after the load, good ones if ``good`` exists."""
    project = installation.settings.project_root
    program = project / "dbt-toy"
    program.write_text(f"#!{sys.executable}\n{textwrap.dedent(MODELS)}")
    program.chmod(0o755)
    document = yaml.safe_load((project / "meltano.yml").read_text())
    models = {"name": "dbt-toy", "namespace": "dbt_toy", "executable": str(program)}
    models["commands"] = {"build": {"args": "build"}}
    document["plugins"]["utilities"] = [models]
    blocks = "tap-toy target-scout-postgres dbt-toy:build"
    document["jobs"] = [{"name": "toy-sync", "tasks": [blocks]}]
    (project / "meltano.yml").write_text(yaml.safe_dump(document))
    return installation


def test_models_are_built_from_the_loaded_streams_when_others_failed(transformed):
    dataset, steps = transformed.dataset(), []
    transformed.act(exit=1, words=SOME_FAILED)
    broken = transformed.scout.run(dataset)
    (transformed.settings.project_root / "good").touch()
    run = transformed.scout.run(dataset, on_progress=lambda step: steps.append(step.phase))

    assert (broken.status, broken.error_code) == ("partial", "INTERNAL_ERROR")
    assert broken.transform_error == "model of_things"
    assert (run.status, run.transform_error) == ("partial", None)
    assert list(dict.fromkeys(steps))[-3:] == ["loading", "transforming", "finishing"]
    assert transformed.scout.datasets.show(dataset).status == "ready"


def test_a_source_without_models_has_a_data_dictionary_even_if_the_callback_fails(installation):
    dataset = installation.dataset()
    run = installation.scout.run(dataset, on_progress=lambda step: step.nothing)
    (things,) = installation.scout.models.describe(dataset)["tables"]

    assert run.status == "completed"
    assert (things["table"], things["kind"], things["rows"]) == ("things", "table", 3)
    assert [(each["name"], each["type"], each["is_key"]) for each in things["columns"]] == [
        ("id", "bigint", True),
        ("name", "text", False),
    ]
    assert things["updated_at"].endswith("Z")
