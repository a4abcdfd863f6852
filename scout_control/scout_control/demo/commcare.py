"""CommCare HQ in the demo: cases and forms of a health programme."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from scout_control.demo.source import Change, Login, Question, Source
from scout_control.rules.wording import counted

if TYPE_CHECKING:
    from scout_control.demo.sandbox import Sandbox, Size
    from scout_control.demo.source import Query

EDITED_CASES = 3
SOME_PREGNANCIES = """
    SELECT case_id FROM cases WHERE case_type = 'pregnancy' AND NOT closed
     ORDER BY md5(case_id || '{number}') LIMIT {limit}
"""
OPEN_PREGNANCIES = """\
select household.village,
       count(*) as open_pregnancies,
       count(*) filter (where pregnancy.risk = 'high') as high_risk,
       min(pregnancy.edd)::text as first_due,
       string_agg(distinct pregnancy.language, ', ') as languages
  from case_pregnancy as pregnancy
  join case_household as household
    on household.case_id = pregnancy.parent_case_id
 where not pregnancy.is_closed
 group by village
 order by open_pregnancies desc, village
 limit 5"""


class CommCare(Source):
    """CommCare HQ."""

    name = "commcare"
    label = "the API of CommCare HQ"
    source_type = "tap-commcare"
    compared_streams = ("cases", "forms")
    incremental = "Incremental run: only the cases and forms that changed; small streams in full"
    example_query = "select case_type, count(*) from cases group by 1"
    question = Question(
        title="Open pregnancies by village",
        columns=("village", "open_pregnancies", "high_risk", "first_due", "languages"),
        query=OPEN_PREGNANCIES,
    )

    def size(self, size: Size) -> str:
        """Return the numbers of cases and forms."""
        return f"{size.cases}-{size.forms}"

    def url(self, sandbox: Sandbox) -> str:
        """Return the address of the sandbox."""
        return sandbox.url

    def config(self, sandbox: Sandbox) -> dict[str, str | int]:
        """Return the project space."""
        return {"domain": sandbox.domain}

    def login(self, sandbox: Sandbox) -> Login:
        """Return an API key."""
        fields = {"username": sandbox.username, "api_key": sandbox.api_key}
        return Login(kind="api_key", fields=fields)

    def counts(self, sandbox: Sandbox) -> dict[str, int]:
        """Return how many cases and forms the API has now."""
        found: dict[str, int] = sandbox.call("status")["domains"][sandbox.domain]
        return found

    def new_changes(self, query: Query, number: int) -> list[Change]:
        """Return three edits of cases, and a form that visits one of them."""
        found = query(SOME_PREGNANCIES.format(number=number, limit=EDITED_CASES))
        if not found:
            return []  # nothing was loaded yet
        ids = [case_id for (case_id,) in found]
        edits: list[Change] = [
            {"action": "edit-case", "case_id": case_id, "properties": {"risk": "high"}}
            for case_id in ids
        ]
        update = {"visits": str(number + 1), "remark": "visited between two runs of the demo"}
        block = {"@case_id": ids[0], "update": update}
        form: Change = {"measurements": {"weight": str(50 + number)}, "case": block}
        return [*edits, {"action": "submit-form", "form_id": str(uuid.uuid4()), "form": form}]

    def describe_changes(self, changes: list[Change]) -> str:
        """Count the cases and forms."""
        edited, submitted = max(len(changes) - 1, 0), len(changes[:1])
        return f"{counted(edited, 'case')} edited, {counted(submitted, 'form')} submitted"
