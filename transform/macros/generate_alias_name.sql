{#- A model must not have the name of a loaded table: dbt would replace the table with it. -#}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- set alias = default__generate_alias_name(custom_alias_name, node) | trim -%}
    {%- if alias in env_var('SCOUT_LOADED_STREAMS', '').split(',') or alias.startswith('_scout_') -%}
        {{ exceptions.raise_compiler_error(
            node.path ~ ": a model cannot be called " ~ alias ~ ", like a loaded table. Rename the model."
        ) }}
    {%- endif -%}
    {{ alias }}
{%- endmacro %}
