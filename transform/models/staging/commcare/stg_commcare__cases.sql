{{ config(enabled=stream_is_loaded('commcare', 'cases')) }}

select
    case_id,
    domain,
    case_type,
    case_name,
    external_id,
    owner_id,
    date_opened as opened_at,
    last_modified as modified_at,
    server_last_modified as server_modified_at,
    indexed_on as indexed_at,
    closed as is_closed,
    date_closed as closed_at,
    properties,
    indices

from {{ source('commcare', 'cases') }}
