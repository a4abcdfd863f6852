{#- Whether a stream of a source has a table here: scout-dbt says which have; without it all of them have. -#}
{% macro stream_is_loaded(source_type, stream) %}
    {%- set loaded = env_var('SCOUT_LOADED_STREAMS', '*').split(',') -%}
    {{ return(var('source_type', 'commcare') == source_type and (loaded == ['*'] or stream in loaded)) }}
{% endmacro %}

{#- One number of a GPS text (latitude, longitude, altitude, accuracy from 0); null when it is none. -#}
{% macro gps_part(text, number) -%}
    {%- set text = "btrim(" ~ text ~ ")" -%}
    case
        when {{ text }} ~ '^[+-]?[0-9]{1,3}([.][0-9]*)?([eE][+-]?[0-9]{1,2})? [+-]?[0-9]{1,3}([.][0-9]*)?([eE][+-]?[0-9]{1,2})?( [+-]?[0-9]{1,9}([.][0-9]*)?([eE][+-]?[0-9]{1,2})?)*$'
            then nullif(split_part({{ text }}, ' ', {{ number + 1 }}), '')::double precision
    end
{%- endmacro %}
