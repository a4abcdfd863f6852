{{ config(enabled=stream_is_loaded('commcare', 'case_types')) }}
-- Case types of the applications, renamed. Nothing is joined, filtered or counted here.

select
    name as case_type,
    domain,
    apps,
    modules,
    properties

from {{ source('commcare', 'case_types') }}
