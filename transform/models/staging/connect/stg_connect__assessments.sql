{{ config(enabled=stream_is_loaded('connect', 'assessments')) }}

select
    record_key,
    opportunity_id,
    username,
    app as app_id,
    date as taken_at,
    score,
    passing_score,
    passed as is_passed

from {{ source('connect', 'assessments') }}
