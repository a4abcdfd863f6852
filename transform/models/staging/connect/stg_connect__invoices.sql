{{ config(enabled=stream_is_loaded('connect', 'invoices')) }}

select
    opportunity_id,
    invoice_number,
    amount,
    amount_usd,
    date as issued_on,
    service_delivery as is_service_delivery,
    exchange_rate as exchange_rate_id

from {{ source('connect', 'invoices') }}
