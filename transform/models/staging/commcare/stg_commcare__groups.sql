{{ config(enabled=stream_is_loaded('commcare', 'groups')) }}

select
    id as group_id,
    domain,
    name as group_name,
    users as user_ids,
    case_sharing as is_case_sharing,
    reporting as is_reporting,
    metadata

from {{ source('commcare', 'groups') }}
