"""CommCare Connect in the demo: opportunities, workers, and their visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scout_control.demo.source import Change, Login, Question, Source

if TYPE_CHECKING:
    from scout_control.demo.sandbox import Sandbox, Size
    from scout_control.demo.source import Query

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
    label = "the API of CommCare Connect"
    source_type = "tap-commcare-connect"
    compared_streams = ("opportunities", "visits")
    incremental = "Incremental run: only new visits, and a few before them; small streams in full"
    example_query = "select status, count(*) from visits group by 1"
    question = Question(
        title="Visits by opportunity",
        columns=("opportunity", "visits", "approved", "workers"),
        query=VISITS_BY_OPPORTUNITY,
    )

    def size(self, size: Size) -> str:
        """Return the number of visits."""
        return str(size.visits)

    def url(self, sandbox: Sandbox) -> str:
        """Return the address of the sandbox's Connect."""
        return sandbox.connect_url

    def config(self, sandbox: Sandbox) -> dict[str, str | int]:
        """Return a short overlap, so that a second run visibly reads little."""
        del sandbox
        return {"visit_overlap": 20}

    def login(self, sandbox: Sandbox) -> Login:
        """Return an access token."""
        return Login(kind="token", fields={"access_token": sandbox.connect_token})

    def counts(self, sandbox: Sandbox) -> dict[str, int]:
        """Return how many opportunities and visits the API has now."""
        listed = list(sandbox.lines("content/connect/opportunities"))
        return {
            "opportunities": len(listed),
            "visits": sum(opportunity["visit_count"] for opportunity in listed),
        }

    def new_changes(self, query: Query, number: int) -> list[Change]:
        """Return new visits in the first opportunity."""
        del query, number  # new visits depend on nothing that was loaded
        where = {"kind": "user_visits", "opportunity": 1, "count": NEW_VISITS}
        return [{"action": "connect/insert", **where}]

    def describe_changes(self, changes: list[Change]) -> str:
        """Count the visits."""
        return f"{NEW_VISITS * len(changes)} visits were added"
