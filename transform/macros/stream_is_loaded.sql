{#- Whether a stream was loaded into the dataset schema. scout-dbt lists the loaded streams; plain dbt assumes all of them. -#}
{% macro stream_is_loaded(source_type, stream) %}
    {%- set loaded = env_var('SCOUT_LOADED_STREAMS', '*').split(',') -%}
    {{ return(var('source_type', 'commcare') == source_type and (loaded == ['*'] or stream in loaded)) }}
{% endmacro %}

{#- One number of a GPS text: 0 latitude, 1 longitude, 2 altitude, 3 accuracy. Null if the text is malformed. -#}
{% macro gps_part(text, number) -%}
    {%- set text = "btrim(" ~ text ~ ")" -%}
    case
        when {{ text }} ~ '^[+-]?[0-9]{1,3}([.][0-9]*)?([eE][+-]?[0-9]{1,2})? [+-]?[0-9]{1,3}([.][0-9]*)?([eE][+-]?[0-9]{1,2})?( [+-]?[0-9]{1,9}([.][0-9]*)?([eE][+-]?[0-9]{1,2})?)*$'
            then nullif(split_part({{ text }}, ' ', {{ number + 1 }}), '')::double precision
    end
{%- endmacro %}
