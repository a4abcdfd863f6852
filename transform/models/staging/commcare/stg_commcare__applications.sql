{{ config(enabled=stream_is_loaded('commcare', 'applications')) }}

select
    id as app_id,
    domain,
    name as app_name,
    app_version,
    is_released,
    built_on as built_at,
    build_comment,
    built_from_app_id,
    versions,
    modules

from {{ source('commcare', 'applications') }}
