"""Which models of users are skipped, from their text alone."""

from __future__ import annotations

import pytest
from scout_dbt.project.custom_models import CustomModels, assemble, collect
from scout_dbt.project.model_needs import (
    LONGEST_LIST,
    Skipped,
    Tables,
    message,
    project_files,
    read,
    skipped,
)

TABLES = Tables(
    schema="river",
    source_type="commcare",
    streams=frozenset({"cases", "forms"}),
    generated=frozenset({"case_person", "form_a"}),
    relations=frozenset({"cases", "forms", "mine"}),
    project={
        "stg_commcare__cases": "{{ config(enabled=stream_is_loaded('commcare', 'cases')) }}",
        "stg_commcare__users": "{{ config(enabled=stream_is_loaded('commcare', 'users')) }}",
        "stg_connect__visits": "{{ config(enabled=stream_is_loaded('connect', 'visits')) }}",
        "commcare_owners": "{{ config(enabled=loaded | length > 0) }}",
        "codes": "",
    },
)


def reasons(**files):
    """Return the reasons for the skipped ones of these models, by name; ``yml`` is a YAML file."""
    content = {f"{name}.sql": text.encode() for name, text in files.items() if name != "yml"}
    if "yml" in files:
        content["all.yml"] = files["yml"].encode()
    return {
        each.name: each.reason for each in skipped(CustomModels(files=content), TABLES).values()
    }


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "select * from {{ ref('case_person') }} join {{ ref('form_a') }} using (x)",
        "{{ ref('stg_commcare__cases') }} {{ ref('commcare_owners') }} {{ ref('codes') }}",
        "{{ source('commcare', 'cases') }}",
        "{# {{ ref('form_x') }} #} select 1",
        "{% raw %}{{ ref('form_x') }}{% endraw %}",
        "{% if execute %}{{ ref('form_x') }}{% endif %}",
        "{% for one in [] %}{{ ref('form_x') }}{% endfor %}",
        "{% macro a() %}{{ ref('form_x') }}{% endmacro %}",
        "{{ ref('form_x') if false else 1 }}",
        "{{ ref('form_' ~ 'x') }} {{ ref(name) }}",
        "{{ config(enabled=stream_is_loaded('commcare', 'x')) }} {{ ref('form_x') }}",
        "{{ broken( {{ ref('form_x') }}",
        "{{ source('elsewhere', 'x') }}",
    ],
)
def test_a_model_that_can_be_built_or_that_dbt_has_to_judge_is_not_skipped(text):
    assert reasons(mine=text) == {}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("select * from {{ ref('form_x') }}", "form_x"),
        ('{{ ref("scout_generated", "form_x") }}', "form_x"),
        ("{%- set t = ref('form_x') -%} select * from {{ t }}", "form_x"),
        ("{% if ref('form_x') %}{% endif %}", "form_x"),
        ("{% do log(builtins.ref('form_x')) %}", "form_x"),
        ("{{ ref('form_y') }} {{ ref('form_x') }} {{ ref('form_x') }}", "form_x and form_y"),
        ("{{ ref('stg_commcare__users') }}", "stg_commcare__users"),
        ("{{ ref('stg_connect__visits') }}", "stg_connect__visits"),
        ("{{ source('connect', 'visits') }}", "connect.visits"),
        ("{{ source('commcare', 'users') }}", "commcare.users"),
    ],
)
def test_a_model_of_a_missing_table_is_skipped(text, missing):
    assert reasons(mine=text) == {"mine": f"mine needs {missing}, which this dataset does not have"}


def test_a_model_of_a_skipped_model_is_skipped_too():
    found = reasons(
        river_visits="{{ ref('form_x') }}",
        totals="{{ ref('river_visits') }} {{ ref('case_person') }}",
        summary="{{ ref('totals') }} {{ ref('river_visits') }} {{ ref('form_y') }}",
        fine="{{ ref('other') }}",
        other="select 1",
    )

    assert found == {
        "river_visits": "river_visits needs form_x, which this dataset does not have",
        "totals": "totals needs river_visits, which is skipped",
        "summary": "summary needs form_y, which this dataset does not have, "
        "and river_visits and totals, which are skipped",
    }


def test_models_that_read_each_other_are_left_to_dbt():
    assert reasons(a="{{ ref('b') }}", b="{{ ref('a') }}") == {}


def test_a_source_of_a_user_is_missing_only_where_its_table_should_be_here():
    yml = """
        sources:
        - {name: ours, schema: river, tables: [{name: t, identifier: mine}, {name: gone}]}
        - {name: dynamic, schema: "{{ target.schema }}", tables: [{name: gone}]}
        - {name: others, tables: [{name: gone}]}
        models:
        - {name: switched, config: {enabled: false}}
        - 7
    """
    found = reasons(
        yml=yml,
        here="{{ source('ours', 't') }}",
        a="{{ source('ours', 'gone') }}",
        b="{{ source('dynamic', 'gone') }}",
        c="{{ source('others', 'gone') }}",
        switched="{{ ref('form_x') }}",
    )

    assert set(found) == {"a", "b"}
    assert found["a"] == "a needs ours.gone, which this dataset does not have"


def test_the_table_of_a_model_may_have_another_name():
    assert read("{{ config(alias='totals_of_river') }} select 1").alias == "totals_of_river"
    files = {"a/mine.sql": b"{{ config(alias='t') }} {{ ref('form_x') }}"}
    assert skipped(CustomModels(files=files), TABLES)["a/mine.sql"].relation == "t"


def test_one_line_says_which_models_are_skipped():
    one = Skipped(name="a", relation="a", missing=("x",))
    assert message([one]) == "Skipped 1 model: a needs x, which this dataset does not have."
    two = message([one, Skipped(name="b", relation="b", missing=(), skipped=("a",))])
    assert two.startswith(
        "Skipped 2 models: a needs x, which this dataset does not have; b needs a"
    )
    assert message([one] * (LONGEST_LIST + 5)).endswith("; and 5 more.")


def test_files_of_the_project_are_known_by_the_names_that_models_use(tmp_path):
    for path, text in {
        "models/staging/ours.sql": "select 1",
        "models/custom/theirs.sql": "select 1",
        "seeds/codes.csv": "a\n1",
        "snapshots/any.sql": "{%- snapshot of_cases %}{% endsnapshot %}",
        "snapshots/any.yml": "snapshots:\n  - name: of_forms\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    found = project_files(tmp_path)
    assert {"ours", "codes", "of_cases", "of_forms"} <= set(found)
    assert "theirs" not in found


def test_dbt_knows_a_skipped_model_as_disabled_and_no_exposure_of_it(tmp_path):
    project = tmp_path / "transform"
    home = project / "models/custom"
    home.mkdir(parents=True)
    (home / "lost.sql").write_text("{{ ref('form_x') }}")
    (home / "fine.sql").write_text("select 1")
    (home / "docs.yml").write_text("models: [{name: lost}]\n")
    (home / "board.yml").write_text(
        "exposures:\n- {name: a, depends_on: [ref('lost')]}\n"
        "- {name: b, depends_on: [ref('fine')]}\n"
    )
    custom, made = collect(project, None), tmp_path / "made"

    assemble(custom.files, custom, project, made, skipped={"lost.sql"})

    given = {path.name: path.read_text() for path in (made / "models/custom").iterdir()}
    assert given["lost.sql"].startswith("{{ config(enabled=false) }}")
    assert given["fine.sql"] == "select 1"
    assert given["docs.yml"] == "models: [{name: lost}]\n"
    assert "name: b" in given["board.yml"]
    assert "name: a" not in given["board.yml"]
    assemble(custom.files, custom, project, made)
    assert (made / "models/custom/lost.sql").read_text() == "{{ ref('form_x') }}"
