{{ config(enabled=stream_is_loaded('connect', 'work_area_groups')) }}

select
    opportunity_id,
    id as work_area_group_id,
    name,
    ward

from {{ source('connect', 'work_area_groups') }}
