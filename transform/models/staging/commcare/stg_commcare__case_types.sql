{{ config(enabled=stream_is_loaded('commcare', 'case_types')) }}

select
    name as case_type,
    domain,
    apps,
    modules,
    properties

from {{ source('commcare', 'case_types') }}
