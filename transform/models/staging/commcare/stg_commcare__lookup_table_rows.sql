{{ config(enabled=stream_is_loaded('commcare', 'lookup_table_rows')) }}

select
    id as lookup_table_row_id,
    domain,
    lookup_table_id,
    sort_key as position,
    fields,
    item_attributes

from {{ source('commcare', 'lookup_table_rows') }}
