"""The package that dbt reads: no text of an application becomes code in it."""

from __future__ import annotations

import jinja2
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scout_dbt.planning import model_sql, table_plan
from scout_dbt.planning.form_tables import FormType
from scout_dbt.planning.tables import Question
from scout_dbt.project import dbt_package

HOSTILE = st.text(alphabet="{}%#-\\'\";$ \n\x07\x85é🐄x:&*!|>", max_size=8)
SOURCE = model_sql.SourceTable(
    stream="forms",
    columns=frozenset({"form_id", "xmlns", "form_data"}),
    keys=("form_id",),
)


def written(text, folder):
    """Write the model of a form whose names are all this text; return its SQL and description."""
    question = Question(path=(text or "q",), type="Select", label=text, options=((text, text),))
    form = FormType(
        xmlns=text, preferred_name="f", title=text, domains=[text], questions=[question]
    )
    found = table_plan.plan([], [form], table_plan.AssignedNames())
    dbt_package.write([model_sql.model(table, SOURCE) for table in found], folder)
    models = folder / dbt_package.NAME / "models"
    [code] = [file.read_text(encoding="utf-8") for file in models.glob("*.sql")]
    return code, (models / "_generated__models.yml").read_text(encoding="utf-8")


@given(text=HOSTILE)
def test_no_text_of_an_application_is_code_of_jinja_or_yaml(tmp_path_factory, text):
    code, described = written(text, tmp_path_factory.mktemp("package"))

    [model] = yaml.safe_load(described)["models"]
    for each in (model, *model["columns"]):
        nodes = jinja2.Environment().parse(each["description"]).body
        assert all(isinstance(node, jinja2.nodes.Output) for node in nodes)
        assert jinja2.Environment().from_string(each["description"]).render().split() == (
            each["description"].split()
        )
    allowed = {"config", "scout_changed", "source"}
    calls = jinja2.Environment().parse(code).find_all(jinja2.nodes.Call)
    assert {call.node.name for call in calls} == allowed
