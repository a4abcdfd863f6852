{{ config(enabled=stream_is_loaded('commcare', 'lookup_tables')) }}

select
    id as lookup_table_id,
    domain,
    tag as lookup_table_name,
    is_global,
    fields,
    item_attributes

from {{ source('commcare', 'lookup_tables') }}
