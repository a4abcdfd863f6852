{{ config(enabled=stream_is_loaded('connect', 'payments')) }}

select
    record_key,
    opportunity_id,
    username,
    created_at,
    amount,
    amount_usd,
    date_paid as paid_at,
    payment_unit as payment_unit_id,
    confirmed as is_confirmed,
    confirmation_date as confirmed_at,
    organization as organization_slug,
    invoice_id,
    payment_method,
    payment_operator

from {{ source('connect', 'payments') }}
