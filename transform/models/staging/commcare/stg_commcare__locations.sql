{{ config(enabled=stream_is_loaded('commcare', 'locations')) }}

select
    location_id,
    domain,
    id as location_number,
    name as location_name,
    site_code,
    external_id,
    latitude::double precision as latitude,
    longitude::double precision as longitude,
    created_at,
    last_modified as modified_at,
    location_type_id,
    parent_location_id,
    location_data

from {{ source('commcare', 'locations') }}
