"""Tasks, work areas and audits."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare_connect.streams.base import ConnectStream


class TaskTypesStream(ConnectStream):
    """Types of tasks that can be assigned to workers."""

    name = "task_types"
    path = "task_types"
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the task type."),
        "task_type_id": c.text("UUID."),
        "name": c.text("Name."),
        "slug": c.text("Short name."),
        "description": c.text("Description."),
        "unit_name": c.text("Learning unit that the task requires."),
        "case_property": c.text("Case property that tells the app about the task."),
        "is_active": c.boolean("Whether tasks of this type can be assigned."),
        "archived": c.timestamp("When it was archived."),
        "duration": c.integer("Time allowed for the task; Connect does not document the unit."),
    }


class AssignedTasksStream(ConnectStream):
    """Tasks assigned to workers; open ones may be deleted."""

    name = "assigned_tasks"
    path = "assigned_tasks"
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the task."),
        "assigned_task_id": c.text("UUID."),
        "task_type": c.integer("Id of its type."),
        "task_type_name": c.text("Name of its type."),
        "username": c.text("The worker."),
        "completed_at": c.timestamp("When it was completed."),
        "duration": c.text("How long the task took, as [D ]HH:MM:SS[.ffffff]."),
        "status": c.text("assigned or completed."),
        "due_date": c.date("When it is due."),
        "date_created": c.timestamp("When it was assigned."),
    }


class WorkAreaGroupsStream(ConnectStream):
    """Groups of work areas; they may be deleted and imported again under new ids."""

    name = "work_area_groups"
    path = "work_area_groups"
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the group."),
        "name": c.text("Name."),
        "ward": c.text("Ward."),
        "opportunity": c.integer("The same as opportunity_id."),
    }


class WorkAreasStream(ConnectStream):
    """Areas in which visits are planned."""

    name = "work_areas"
    path = "work_areas"
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the area."),
        "slug": c.text("Short name."),
        "ward": c.text("Ward."),
        "status": c.text("Status of the work in the area."),
        "building_count": c.integer("Number of buildings."),
        "expected_visit_count": c.integer("Expected number of visits."),
        "case_id": c.text("Id of its case in CommCare HQ."),
        "case_properties": c.json_object("Properties of that case."),
        "work_area_group": c.integer("Id of its group."),
        "work_area_group_name": c.text("Name of its group."),
        "centroid": c.json_object("Its centre, as a GeoJSON point."),
        "boundary": c.json_object("Its boundary, as a GeoJSON polygon."),
    }


class AuditReportsStream(ConnectStream):
    """Audits of the work in a period."""

    name = "audit_reports"
    path = "audit_reports"
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the report."),
        "audit_report_id": c.text("UUID."),
        "opportunity": c.integer("The same as opportunity_id."),
        "period_start": c.date("First day."),
        "period_end": c.date("Last day."),
        "status": c.text("pending or completed."),
        "completed_by_username": c.text("Username of the person who completed it."),
        "completed_date": c.timestamp("When it was completed."),
        "date_created": c.timestamp("When it was created."),
        "date_modified": c.timestamp("When it was changed."),
    }


class AuditReportEntriesStream(ConnectStream):
    """The results of an audit for one worker."""

    name = "audit_report_entries"
    path = "audit_report_entries"
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the entry."),
        "audit_report_entry_id": c.text("UUID."),
        "audit_report": c.integer("Id of the report."),
        "audit_report_uuid": c.text("UUID of the report."),
        "opportunity_access": c.integer(
            "Id of the worker's access to the opportunity; no other stream contains it."
        ),
        "username": c.text("The worker."),
        "results": c.json_object("Calculated values by name."),
        "flagged": c.boolean("Whether a value is out of range."),
        "reviewed": c.boolean("Whether it was reviewed."),
        "review_action": c.text("none or tasks_assigned."),
        "date_created": c.timestamp("When it was created."),
        "date_modified": c.timestamp("When it was changed."),
    }
