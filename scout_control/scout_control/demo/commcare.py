"""CommCare HQ in the demo: cases and forms of a health programme."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from scout_control.demo.query import answer
from scout_control.demo.source import Change, Question, Source

if TYPE_CHECKING:
    from scout_control.demo.sandbox import Sandbox, Size

EDITED_CASES = 3
SOME_PREGNANCIES = """
    SELECT case_id FROM cases WHERE case_type = 'pregnancy' AND NOT closed
     ORDER BY md5(case_id || %s) LIMIT %s
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
    what = "the API of CommCare HQ"
    blocks = ("tap-commcare", "target-scout-postgres", "dbt-postgres:build")
    checked = ("cases", "forms")
    incremental = "Incremental run: only the cases and forms that changed; small streams in full"
    small_steps = {  # noqa: RUF012 - never changed
        "TAP_COMMCARE_PAGE_SIZE": "500",
        "TARGET_SCOUT_POSTGRES_BATCH_SIZE_ROWS": "500",
    }
    question = Question(
        title="Open pregnancies by village",
        columns=("village", "open_pregnancies", "high_risk", "first_due", "languages"),
        query=OPEN_PREGNANCIES,
    )

    def size(self, size: Size) -> str:
        """Name a size."""
        return f"{size.cases}+{size.forms}"

    def config(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the tap's settings as environment variables."""
        return {
            "TAP_COMMCARE_BASE_URL": sandbox.url,
            "TAP_COMMCARE_DOMAIN": sandbox.domain,
            "TAP_COMMCARE_USERNAME": sandbox.username,
        }

    def secrets(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the tap's login as environment variables."""
        return {"TAP_COMMCARE_API_KEY": sandbox.api_key}

    def tap_file(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the same as a configuration file."""
        return {
            "base_url": sandbox.url,
            "domain": sandbox.domain,
            "username": sandbox.username,
            "api_key": sandbox.api_key,
        }

    def counts(self, sandbox: Sandbox) -> dict[str, int]:
        """Return how many cases and forms the API would show now."""
        found: dict[str, int] = sandbox.call("status")["domains"][sandbox.domain]
        return found

    def new_changes(self, server_url: str, schema: str, number: int) -> list[Change]:
        """Return three edits of cases and a form that visits one of them."""
        found = answer(server_url, schema, SOME_PREGNANCIES, [str(number), EDITED_CASES])
        if not found:
            return []  # nothing was loaded yet
        ids = [case_id for (case_id,) in found]
        edits: list[Change] = [
            {"action": "edit-case", "case_id": case_id, "properties": {"risk": "high"}}
            for case_id in ids
        ]
        update = {"visits": str(number + 1), "remark": "visited between two runs of the demo"}
        block = {"@case_id": ids[0], "update": update} if ids else {}
        form: Change = {"measurements": {"weight": str(50 + number)}, "case": block}
        return [*edits, {"action": "submit-form", "form_id": str(uuid.uuid4()), "form": form}]

    def told(self, changes: list[Change]) -> str:
        """Say what was changed."""
        return f"{max(len(changes) - 1, 0)} cases were edited and {len(changes[:1])} form submitted"
