{{ config(enabled=stream_is_loaded('connect', 'payment_units')) }}

select
    opportunity_id,
    payment_unit_id as payment_unit_uuid,
    id as payment_unit_id,
    name,
    max_total,
    max_daily,
    amount,
    end_date as ends_on

from {{ source('connect', 'payment_units') }}
