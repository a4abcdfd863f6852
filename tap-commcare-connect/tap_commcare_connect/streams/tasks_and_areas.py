"""Tasks, work areas and audits."""

from __future__ import annotations

from tap_commcare_connect import columns as s
from tap_commcare_connect.streams.base import ConnectStream


class TaskTypesStream(ConnectStream):
    """Kinds of tasks that workers can be given."""

    name = "task_types"
    path = "task_types"
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the kind of task."),
        "task_type_id": s.text("Another identity, a UUID."),
        "name": s.text("Name."),
        "slug": s.text("Short name."),
        "description": s.text("Description."),
        "unit_name": s.text("Unit of learning that it asks for."),
        "case_property": s.text("Case property that tells the app of it."),
        "is_active": s.flag("Whether it can be given."),
        "archived": s.moment("When it was archived."),
        "duration": s.integer("How long it may take; the unit is not told."),
    }


class AssignedTasksStream(ConnectStream):
    """Tasks that workers were given; open ones may be removed for good."""

    name = "assigned_tasks"
    path = "assigned_tasks"
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the task."),
        "assigned_task_id": s.text("Another identity, a UUID."),
        "task_type": s.integer("Its kind."),
        "task_type_name": s.text("Name of its kind."),
        "username": s.text("The worker."),
        "completed_at": s.moment("When it was completed."),
        "duration": s.text("How long it took: [D ]HH:MM:SS[.ffffff]."),
        "status": s.text("assigned or completed."),
        "due_date": s.day("When it is due."),
        "date_created": s.moment("When it was given."),
    }


class WorkAreaGroupsStream(ConnectStream):
    """Groups of work areas; they may be cleared and imported anew with other ids."""

    name = "work_area_groups"
    path = "work_area_groups"
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the group."),
        "name": s.text("Name."),
        "ward": s.text("Ward."),
        "opportunity": s.integer("The same as opportunity_id."),
    }


class WorkAreasStream(ConnectStream):
    """Areas in which visits are planned."""

    name = "work_areas"
    path = "work_areas"
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the area."),
        "slug": s.text("Short name."),
        "ward": s.text("Ward."),
        "status": s.text("How far work in it has come."),
        "building_count": s.integer("Buildings in it."),
        "expected_visit_count": s.integer("Visits that are expected."),
        "case_id": s.text("Its case in CommCare HQ."),
        "case_properties": s.json_object("Properties of that case."),
        "work_area_group": s.integer("Its group."),
        "work_area_group_name": s.text("Name of its group."),
        "centroid": s.json_object("Its centre, a GeoJSON point."),
        "boundary": s.json_object("Its boundary, a GeoJSON polygon."),
    }


class AuditReportsStream(ConnectStream):
    """Audits of a period."""

    name = "audit_reports"
    path = "audit_reports"
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the report."),
        "audit_report_id": s.text("Another identity, a UUID."),
        "opportunity": s.integer("The same as opportunity_id."),
        "period_start": s.day("First day."),
        "period_end": s.day("Last day."),
        "status": s.text("pending or completed."),
        "completed_by_username": s.text("Who completed it."),
        "completed_date": s.moment("When it was completed."),
        "date_created": s.moment("When it was created."),
        "date_modified": s.moment("When it was changed."),
    }


class AuditReportEntriesStream(ConnectStream):
    """What an audit found about one worker."""

    name = "audit_report_entries"
    path = "audit_report_entries"
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the entry."),
        "audit_report_entry_id": s.text("Another identity, a UUID."),
        "audit_report": s.integer("The report."),
        "audit_report_uuid": s.text("The report's other identity."),
        "opportunity_access": s.integer("The worker in the opportunity; shown nowhere else."),
        "username": s.text("The worker."),
        "results": s.json_object("What was calculated, by its name."),
        "flagged": s.flag("Whether something is out of range."),
        "reviewed": s.flag("Whether somebody looked at it."),
        "review_action": s.text("none or tasks_assigned."),
        "date_created": s.moment("When it was created."),
        "date_modified": s.moment("When it was changed."),
    }
