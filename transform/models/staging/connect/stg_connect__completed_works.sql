{{ config(enabled=stream_is_loaded('connect', 'completed_works')) }}

select
    record_key,
    opportunity_id,
    username,
    payment_unit_id,
    status,
    last_modified as modified_at,
    entity_id,
    entity_name,
    reason,
    status_modified_date as status_modified_at,
    payment_date as paid_at,
    date_created as created_at,
    saved_completed_count,
    saved_approved_count,
    saved_payment_accrued,
    saved_payment_accrued_usd,
    saved_org_payment_accrued,
    saved_org_payment_accrued_usd

from {{ source('connect', 'completed_works') }}
