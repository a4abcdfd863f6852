{{ config(enabled=stream_is_loaded('commcare', 'form_cases')) }}

select
    form_id,
    case_id,
    domain,
    path,
    is_created,
    is_updated,
    is_closed,
    indexed_on as indexed_at

from {{ source('commcare', 'form_cases') }}
