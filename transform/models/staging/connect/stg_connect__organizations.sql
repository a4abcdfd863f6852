{{ config(enabled=stream_is_loaded('connect', 'organizations')) }}
-- One row per organization of which the user is a member. Typed and renamed; nothing is joined, filtered or counted here.

select
    id as organization_id,
    slug as organization_slug,
    name,
    funder as is_funder

from {{ source('connect', 'organizations') }}
