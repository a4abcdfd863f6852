"""Jinja of a user model reaches no file of the account that dbt runs under."""

from __future__ import annotations

import pytest
from support.hostile_taps import installed

SECRET = "canary of a file"
CONNECTION = "adapter.add_query('select 1')[1].connection"
TABLE = "run_query('select 1 as one')"
# Each is tried by itself: what is refused ends a model. FILE is read, MADE is written.
JINJA = {
    "lobject": f"{CONNECTION}.lobject(0, 'r', 0, 'FILE').read()",
    "handle": "adapter.add_query('select 1')[0].handle.lobject(0, 'r', 0, 'FILE').read()",
    "filter": f"({CONNECTION} | attr('lobject'))(0, 'r', 0, 'FILE').read()",
    "mapped": f"[{CONNECTION}] | map(attribute='dsn') | join",
    "table": f"{TABLE}.from_csv('FILE').column_names | join",
    "class": "api.Relation.create.__self__",
    "export": f"{CONNECTION}.lobject(0, 'w').export('MADE')",
    "csv": f"{TABLE}.to_csv('MADE')",
    "json": f"{TABLE}.to_json('MADE')",
    "grouped": f"{TABLE}.group_by('one').to_csv('MADE')",
    "node": "ref.model.write_node('/', 'MADE', 'x')",
    "config": "config.model.write_node('/', 'MADE', 'x')",
    "macro": "run_query.macro.write_node('/', 'MADE', 'x')",
    "manifest": "ref.manifest.write('MADE')",
    "credentials": "'canary of a file' ~ ref.config.credentials.user",
    "environment": "run_query.get_template().environment.compile_templates('MADE')",
}
WORKS = """
{% if execute %}
select {% for column in adapter.get_columns_in_relation(this) %}{{ column.name }}{% endfor %} 1
  as one, '{{ run_query("select 5 as five").columns[0].values()[0] }}' as five,
  '{{ run_query("select 6 as six").rows[0]["six"] }}' as six,
  '{{ modules.datetime.date(2026, 1, 2).isoformat() }}' as day, '{{ this.identifier }}' as mine,
  '{{ api.Relation.create(schema="a", identifier="b").identifier }}' as other,
  '{{ config.get("materialized") }}' as kind, '{{ target.name }}' as place
{% endif %}
"""


@pytest.fixture(scope="module")
def tried(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "made").mkdir()
    (folder / "secret").write_text(SECRET)
    with installed(postgres, folder) as installation:
        custom = installation.settings.project_root / "transform/models/custom/hill"
        custom.mkdir(parents=True)
        models = {
            f"files_{name}": f"{{% if execute %}}{{{{ {code} }}}}{{% endif %}}"
            for name, code in JINJA.items()
        }
        for name, code in models.items():
            told = code.replace("FILE", str(folder / "secret"))
            told = told.replace("MADE", str(folder / "made" / name))
            text = f"{{{{ config(materialized='table') }}}}\nselect $steal${told}$steal$ as loot\n"
            (custom / f"{name}.sql").write_text(text)
        (custom / "works.sql").write_text("{{ config(materialized='table') }}" + WORKS)
        dataset = installation.dataset("hill")
        run = installation.scout.run(dataset.path)
        yield {
            "run": run,
            "made": sorted(file.name for file in (folder / "made").iterdir()),
            "rows": installation.everything(),
            "works": installation.ask(f'SELECT * FROM "{dataset.schema}".works'),
        }


def test_jinja_of_a_model_reads_no_file(tried):
    assert tried["run"].status == "completed"
    assert SECRET.encode() not in tried["rows"]


def test_jinja_of_a_model_writes_no_file(tried):
    assert tried["made"] == []


def test_jinja_of_a_model_sees_values(tried):
    assert tried["works"] == [(1, "5", "6", "2026-01-02", "works", "b", "table", "dataset")]
