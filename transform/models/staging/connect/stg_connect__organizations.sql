{{ config(enabled=stream_is_loaded('connect', 'organizations')) }}

select
    id as organization_id,
    slug as organization_slug,
    name,
    funder as is_funder

from {{ source('connect', 'organizations') }}
