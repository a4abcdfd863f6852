{{ config(enabled=stream_is_loaded('connect', 'programs')) }}

select
    id as program_id,
    name,
    delivery_type,
    currency,
    organization as organization_slug,
    funder as funder_slug,
    watchers

from {{ source('connect', 'programs') }}
