{{ config(enabled=stream_is_loaded('connect', 'audit_report_entries')) }}

select
    opportunity_id,
    id as audit_report_entry_id,
    audit_report_entry_id as audit_report_entry_uuid,
    audit_report as audit_report_id,
    audit_report_uuid,
    opportunity_access as opportunity_access_id,
    username,
    results,
    flagged as is_flagged,
    reviewed as is_reviewed,
    review_action,
    date_created as created_at,
    date_modified as modified_at

from {{ source('connect', 'audit_report_entries') }}
