{{ config(enabled=stream_is_loaded('commcare', 'forms')) }}

select
    form_id,
    domain,
    xmlns,
    app_id,
    build_id,
    user_id,
    username,
    time_start as started_at,
    time_end as ended_at,
    extract(epoch from time_end - time_start)::double precision as duration_seconds,
    received_on as received_at,
    server_modified_on as server_modified_at,
    indexed_on as indexed_at,
    edited_on as edited_at,
    archived as is_archived,
    {{ gps_part("coalesce(metadata #>> '{location,#text}', metadata ->> 'location')", 0) }} as latitude,
    {{ gps_part("coalesce(metadata #>> '{location,#text}', metadata ->> 'location')", 1) }} as longitude,
    {{ gps_part("coalesce(metadata #>> '{location,#text}', metadata ->> 'location')", 2) }} as altitude,
    {{ gps_part("coalesce(metadata #>> '{location,#text}', metadata ->> 'location')", 3) }} as accuracy,
    form_data,
    metadata,
    attachments,
    case_ids

from {{ source('commcare', 'forms') }}
