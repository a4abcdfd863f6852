{{ config(enabled=stream_is_loaded('connect', 'programs')) }}
-- One row per program that the user's organizations own. Typed and renamed; nothing is joined, filtered or counted here.

select
    id as program_id,
    name,
    delivery_type,
    currency,
    organization as organization_slug,
    funder as funder_slug,
    watchers

from {{ source('connect', 'programs') }}
