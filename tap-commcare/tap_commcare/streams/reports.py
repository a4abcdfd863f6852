"""Reports of a project space."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare.streams.base import DOMAIN, HQStream


class ReportRowsStream(HQStream):
    """Rows of the reports in the setting ``reports``, as the reports show them now."""

    name = "report_rows"
    path = "configurablereportdata/v1"
    key = ("report_id", "position")
    columns = {
        "report_id": c.key("The report."),
        "position": c.key_integer("Position in the report, from 0."),
        "domain": DOMAIN,
        "data": c.json_object("Values by column; the columns may change with the data."),
    }
