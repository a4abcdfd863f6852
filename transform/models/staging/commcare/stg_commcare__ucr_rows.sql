{{ config(enabled=stream_is_loaded('commcare', 'ucr_rows')) }}

select
    data_source_id,
    doc_id,
    repeat_iteration,
    domain,
    inserted_at,
    data

from {{ source('commcare', 'ucr_rows') }}
