{{ config(enabled=stream_is_loaded('commcare', 'report_rows')) }}
-- Rows of the reports that were asked for, as they were read last. Nothing is joined, filtered or counted here.

select
    report_id,
    domain,
    "position",
    data

from {{ source('commcare', 'report_rows') }}
