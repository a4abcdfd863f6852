{{ config(enabled=stream_is_loaded('commcare', 'location_types')) }}

select
    id as location_type_id,
    domain,
    name as location_type_name,
    code as location_type_code,
    parent_id as parent_location_type_id,
    administrative as is_administrative,
    shares_cases as is_case_sharing,
    view_descendants as sees_descendants

from {{ source('commcare', 'location_types') }}
