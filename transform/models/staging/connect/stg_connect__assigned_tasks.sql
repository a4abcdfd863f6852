{{ config(enabled=stream_is_loaded('connect', 'assigned_tasks')) }}

select
    opportunity_id,
    id as task_id,
    assigned_task_id as task_uuid,
    task_type as task_type_id,
    task_type_name,
    username,
    completed_at,
    extract(epoch from duration::interval)::double precision as duration_seconds,
    status,
    due_date as due_on,
    date_created as created_at

from {{ source('connect', 'assigned_tasks') }}
