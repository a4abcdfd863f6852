"""Changes made to the sandbox between two runs, as a mobile worker and an office make them."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from scout_control.provision import connect

if TYPE_CHECKING:
    from scout_control.demo.sandbox import Sandbox

Change = dict[str, object]

EDITED_CASES = 3
SOME_PREGNANCIES = """
    SELECT case_id FROM {} WHERE case_type = 'pregnancy' AND NOT closed
     ORDER BY md5(case_id || %s) LIMIT %s
"""


def new_changes(server_url: str, schema: str, number: int) -> list[Change]:
    """Return three edits of cases and a form that visits one of them; others for every number."""
    statement = sql.SQL(SOME_PREGNANCIES).format(sql.Identifier(schema, "cases"))
    with closing(connect(server_url)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(statement, [str(number), EDITED_CASES])
        except psycopg2.errors.UndefinedTable:
            return []  # nothing was loaded yet
        ids = [case_id for (case_id,) in cursor.fetchall()]
    edits: list[Change] = [
        {"action": "edit-case", "case_id": case_id, "properties": {"risk": "high"}}
        for case_id in ids
    ]
    update = {"visits": str(number + 1), "remark": "visited between two runs of the demo"}
    block = {"@case_id": ids[0], "update": update} if ids else {}
    form: Change = {"measurements": {"weight": str(50 + number)}, "case": block}
    return [*edits, {"action": "submit-form", "form_id": str(uuid.uuid4()), "form": form}]


def make(sandbox: Sandbox, changes: list[Change]) -> None:
    """Make changes in the sandbox."""
    for change in changes:
        body = {name: value for name, value in change.items() if name != "action"}
        sandbox.call(str(change["action"]), body)
