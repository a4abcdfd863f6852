{{ config(enabled=stream_is_loaded('connect', 'task_types')) }}

select
    opportunity_id,
    id as task_type_id,
    task_type_id as task_type_uuid,
    name,
    slug,
    description,
    unit_name,
    case_property,
    is_active,
    archived as archived_at,
    duration

from {{ source('connect', 'task_types') }}
