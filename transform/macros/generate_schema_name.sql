{#- Everything is built in the dataset schema, whatever a model asks for: a run may reach no other. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema }}
{%- endmacro %}
