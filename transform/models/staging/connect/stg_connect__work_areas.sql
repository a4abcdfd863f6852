{{ config(enabled=stream_is_loaded('connect', 'work_areas')) }}

select
    opportunity_id,
    id as work_area_id,
    slug,
    ward,
    status,
    building_count,
    expected_visit_count,
    case_id,
    case_properties,
    work_area_group as work_area_group_id,
    work_area_group_name,
    centroid,
    boundary

from {{ source('connect', 'work_areas') }}
