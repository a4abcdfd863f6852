"""CommCare Connect in the demo: opportunities, workers, and their visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.demo.source import Change, Question, Source

if TYPE_CHECKING:
    from scout_control.demo.sandbox import Sandbox, Size

NEW_VISITS = 3
VISITS_BY_OPPORTUNITY = """\
select opportunity.name as opportunity,
       count(*) as visits,
       count(*) filter (where visit.status = 'approved') as approved,
       count(distinct visit.username) as workers
  from stg_connect__visits as visit
  join stg_connect__opportunities as opportunity using (opportunity_id)
 group by opportunity.name
 order by visits desc, opportunity
 limit 5"""


class Connect(Source):
    """CommCare Connect."""

    name = "connect"
    what = "the API of CommCare Connect"
    blocks = ("tap-commcare-connect", "target-scout-postgres", "dbt-postgres:build-connect")
    checked = ("opportunities", "visits")
    incremental = "Incremental run: only new visits, and a few before them; small streams in full"
    small_steps = {  # noqa: RUF012 - never changed
        "TAP_COMMCARE_CONNECT_PAGE_SIZE": "200",
        "TARGET_SCOUT_POSTGRES_BATCH_SIZE_ROWS": "200",
    }
    question = Question(
        title="Visits by opportunity",
        columns=("opportunity", "visits", "approved", "workers"),
        query=VISITS_BY_OPPORTUNITY,
    )

    def size(self, size: Size) -> str:
        """Name a size."""
        return str(size.visits)

    def config(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the tap's settings as environment variables."""
        return {
            "TAP_COMMCARE_CONNECT_BASE_URL": sandbox.connect_url,
            "TAP_COMMCARE_CONNECT_VISIT_OVERLAP": "20",
        }

    def secrets(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the tap's login as environment variables."""
        return {"TAP_COMMCARE_CONNECT_ACCESS_TOKEN": sandbox.connect_token}

    def tap_file(self, sandbox: Sandbox) -> dict[str, str]:
        """Return the same as a configuration file."""
        return {"base_url": sandbox.connect_url, "access_token": sandbox.connect_token}

    def counts(self, sandbox: Sandbox) -> dict[str, int]:
        """Return how many opportunities and visits the API would show now."""
        listed = list(sandbox.lines("content/connect/opportunities"))
        return {
            "opportunities": len(listed),
            "visits": sum(opportunity["visit_count"] for opportunity in listed),
        }

    def new_changes(self, server_url: str, schema: str, number: int) -> list[Change]:
        """Return new visits in the first opportunity."""
        del server_url, schema, number  # visits are added, whatever was loaded
        where = {"kind": "user_visits", "opportunity": 1, "count": NEW_VISITS}
        return [{"action": "connect/insert", **where}]

    def told(self, changes: list[Change]) -> str:
        """Say what was changed."""
        return f"{NEW_VISITS * len(changes)} visits were made"
