{#- All models are built in the dataset schema, whatever schema they configure: the role of a run can write no other. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema }}
{%- endmacro %}
