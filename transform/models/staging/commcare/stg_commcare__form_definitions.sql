{{ config(enabled=stream_is_loaded('commcare', 'form_definitions')) }}

select
    app_id,
    xmlns,
    domain,
    app_name,
    name as form_name,
    names as form_names,
    case_type,
    uses

from {{ source('commcare', 'form_definitions') }}
