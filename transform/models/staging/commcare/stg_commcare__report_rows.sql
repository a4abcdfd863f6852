{{ config(enabled=stream_is_loaded('commcare', 'report_rows')) }}

select
    report_id,
    domain,
    "position",
    data

from {{ source('commcare', 'report_rows') }}
