{{ config(enabled=stream_is_loaded('connect', 'learn_modules')) }}

select
    opportunity_id,
    id as module_id,
    app as app_id,
    slug,
    name,
    description,
    time_estimate

from {{ source('connect', 'learn_modules') }}
