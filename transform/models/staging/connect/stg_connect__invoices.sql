{{ config(enabled=stream_is_loaded('connect', 'invoices')) }}
-- One row per invoice of an opportunity. Typed and renamed; nothing is joined, filtered or counted here.

select
    opportunity_id,
    invoice_number,
    amount,
    amount_usd,
    date as issued_on,
    service_delivery as is_service_delivery,
    exchange_rate as exchange_rate_id

from {{ source('connect', 'invoices') }}
