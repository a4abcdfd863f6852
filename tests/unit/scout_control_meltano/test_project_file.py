"""A user's meltano.yml holds what the user added; the product's plugins come with the program."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from scout_control.errors import SettingsError
from scout_control.meltano import project_file
from scout_control.meltano.project import Plugins
from scout_control.meltano.project_file import extended, read_project

ROOT = Path(__file__).parents[3]
EXTENDS = "annotations: {scout: {extends: scout-sync}}\n"


def project(folder, text="", **files):
    (folder / "meltano.yml").write_text(EXTENDS + text)
    for name, content in files.items():
        (folder / f"{name}.yml").write_text(content)
    return folder / "meltano.yml"


def names(document, kind="extractors"):
    return [each["name"] for each in document["plugins"][kind]]


def test_a_file_with_nothing_of_its_own_gets_all_that_the_product_has(tmp_path):
    found = read_project(project(tmp_path))
    product = yaml.safe_load((ROOT / "meltano.yml").read_text())

    assert names(found) == ["tap-commcare", "tap-commcare-connect"]
    assert found["jobs"] == product["jobs"]
    assert found["environments"] == product["environments"]
    assert found["default_environment"] == product["default_environment"]


def test_own_entries_come_first_and_change_only_the_fields_that_they_have(tmp_path):
    text = """
plugins:
  extractors:
  - {name: tap-mine, executable: /opt/tap-mine}
  - {name: tap-commcare, label: Ours, config: {concurrency: 2}}
jobs:
  - {name: commcare-sync, tasks: [tap-commcare target-scout-postgres]}
"""
    plugins = Plugins(project(tmp_path, text).parent)
    ours = plugins.source_type("commcare")

    assert [each.name for each in plugins.source_types()] == [
        *("tap-mine", "tap-commcare", "tap-commcare-connect"),
    ]
    assert ours.label == "Ours"
    assert ours.credential_kinds[0] == "oauth2"  # of the product
    assert ours.blocks == ("tap-commcare", "target-scout-postgres")
    assert plugins.source_type("commcare-connect").blocks[2] == "dbt-postgres:build-connect"


def test_models_of_the_user_are_below_the_folder_not_in_a_copy_of_the_checkouts(tmp_path):
    assert Plugins(project(tmp_path).parent).models_folder == tmp_path
    assert Plugins(ROOT).models_folder == ROOT / "transform"


def test_a_project_that_extends_nothing_is_left_as_it_is(tmp_path):
    (tmp_path / "meltano.yml").write_text("plugins: {extractors: [{name: tap-x}]}")

    assert names(read_project(tmp_path / "meltano.yml")) == ["tap-x"]


def test_an_unknown_product_is_an_error_that_says_what_to_write(tmp_path):
    (tmp_path / "meltano.yml").write_text("annotations: {scout: {extends: scout}}")

    with pytest.raises(SettingsError, match="extends: scout-sync"):
        read_project(tmp_path / "meltano.yml")


@pytest.mark.parametrize("annotations", ["null", "[]", "text", "{scout: []}", "{other: {a: 1}}"])
def test_annotations_of_others_extend_nothing(tmp_path, annotations):
    (tmp_path / "meltano.yml").write_text(f"annotations: {annotations}\nplugins: {{}}")

    assert read_project(tmp_path / "meltano.yml").get("plugins") == {}


def test_included_files_add_plugins_jobs_schedules_and_environments(tmp_path):
    included = """
plugins: {extractors: [{name: tap-more}]}
jobs: [{name: more, tasks: [tap-more target-scout-postgres]}]
schedules: [{name: nightly, job: more, interval: "@daily"}]
environments: [{name: staging}]
"""
    found = read_project(project(tmp_path, "include_paths: [more*.yml]\n", more=included))

    assert names(found)[0] == "tap-more"
    assert found["jobs"][0]["name"] == "more"
    assert [each["name"] for each in found["schedules"]] == ["nightly", "commcare-daily"]
    assert [each["name"] for each in found["environments"]] == ["staging", "dev", "prod"]


@pytest.mark.parametrize("pattern", ["../*.yml", "link.yml"])
def test_a_file_outside_of_the_project_is_not_included(tmp_path, pattern):
    (tmp_path / "outside.yml").write_text("plugins: {extractors: [{name: tap-evil}]}")
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "link.yml").symlink_to(tmp_path / "outside.yml")

    with pytest.raises(SettingsError, match="outside of the project"):
        read_project(project(inside, f"include_paths: ['{pattern}']\n"))


def test_another_program_for_a_plugin_of_the_product_is_not_the_products():
    annotations = {"scout": {"distribution": "tap-x", "logins": ["token"]}}
    entry = {"name": "tap-x", "executable": "tap-x", "annotations": annotations}
    product = {"plugins": {"extractors": [entry]}}
    own = {"plugins": {"extractors": [{"name": "tap-x", "executable": "/opt/tap-x"}]}}

    (found,) = extended(product, own)["plugins"]["extractors"]

    assert found["executable"] == "/opt/tap-x"
    assert found["annotations"]["scout"] == {"distribution": None, "logins": ["token"]}
    assert annotations["scout"]["distribution"] == "tap-x"


def test_this_program_runs_from_a_checkout():
    assert project_file.is_checkout()
