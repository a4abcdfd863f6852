{{ config(enabled=stream_is_loaded('connect', 'audit_reports')) }}

select
    opportunity_id,
    id as audit_report_id,
    audit_report_id as audit_report_uuid,
    period_start as period_starts_on,
    period_end as period_ends_on,
    status,
    completed_by_username,
    completed_date as completed_at,
    date_created as created_at,
    date_modified as modified_at

from {{ source('connect', 'audit_reports') }}
