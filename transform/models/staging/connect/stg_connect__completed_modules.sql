{{ config(enabled=stream_is_loaded('connect', 'completed_modules')) }}

select
    record_key,
    opportunity_id,
    username,
    module as module_id,
    date as completed_at,
    extract(epoch from duration::interval)::double precision as duration_seconds

from {{ source('connect', 'completed_modules') }}
