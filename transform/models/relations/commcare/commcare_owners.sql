{#- All possible owners of cases, from the streams that are loaded. -#}
{%- set owners = [
    ('users', 'user', 'user_id', 'username'),
    ('web_users', 'web user', 'user_id', 'username'),
    ('groups', 'group', 'group_id', 'group_name'),
    ('locations', 'location', 'location_id', 'location_name'),
] -%}
{%- set loaded = [] -%}
{%- for owner in owners if stream_is_loaded('commcare', owner[0]) -%}
    {%- do loaded.append(owner) -%}
{%- endfor -%}
{{ config(enabled=loaded | length > 0) }}
{%- for stream, kind, id, name in loaded %}
select domain, {{ id }} as owner_id, '{{ kind }}' as owner_kind, {{ name }} as owner_name
from {{ ref('stg_commcare__' ~ stream) }}
{{ 'union all' if not loop.last }}
{%- endfor %}
