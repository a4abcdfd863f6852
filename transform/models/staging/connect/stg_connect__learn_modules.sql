{{ config(enabled=stream_is_loaded('connect', 'learn_modules')) }}
-- One row per learning module. Typed and renamed; nothing is joined, filtered or counted here.

select
    opportunity_id,
    id as module_id,
    app as app_id,
    slug,
    name,
    description,
    time_estimate

from {{ source('connect', 'learn_modules') }}
