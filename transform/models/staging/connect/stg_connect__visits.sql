{{ config(enabled=stream_is_loaded('connect', 'visits')) }}

select
    opportunity_id,
    id as visit_id,
    username,
    user_id as user_uuid,
    user_visit_id as visit_uuid,
    entity_id,
    entity_name,
    visit_date as visited_at,
    status,
    reason,
    location,
    {{ gps_part('location', 0) }} as latitude,
    {{ gps_part('location', 1) }} as longitude,
    {{ gps_part('location', 2) }} as altitude,
    {{ gps_part('location', 3) }} as accuracy,
    flagged as is_flagged,
    flag_reason,
    form_json ->> 'id' as form_id,
    form_json ->> 'domain' as form_domain,
    form_json -> 'form' ->> '@xmlns' as form_xmlns,
    form_json,
    status_modified_date as status_modified_at,
    review_status,
    review_created_on as reviewed_at,
    justification,
    date_created as created_at,
    completed_work_id,
    deliver_unit_id,
    images

from {{ source('connect', 'visits') }}
