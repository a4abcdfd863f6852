{{ config(enabled=stream_is_loaded('commcare', 'lookup_tables')) }}
-- Lookup tables, renamed. Nothing is joined, filtered or counted here.

select
    id as lookup_table_id,
    domain,
    tag as lookup_table_name,
    is_global,
    fields,
    item_attributes

from {{ source('commcare', 'lookup_tables') }}
