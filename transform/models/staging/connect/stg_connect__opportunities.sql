{{ config(enabled=stream_is_loaded('connect', 'opportunities')) }}

select
    id as opportunity_id,
    name,
    description,
    short_description,
    date_created as created_at,
    date_modified as modified_at,
    organization as organization_slug,
    supervising_organization as supervising_organization_slug,
    program as program_id,
    start_date as starts_on,
    end_date as ends_on,
    is_active,
    visit_count,
    max_visits_per_user,
    daily_max_visits_per_user,
    budget_per_user,
    budget_per_visit,
    total_budget,
    currency,
    learn_app,
    deliver_app,
    payment_units,
    verification_flags

from {{ source('connect', 'opportunities') }}
