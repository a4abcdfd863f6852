{#- The columns together refer to an existing row. A warning only: it may have been deleted, or the credential may not see it. -#}
{% test relationships_together(model, columns, to, to_columns=none) %}
{{ config(severity='warn') }}
{%- set others = to_columns or columns %}
select distinct {{ columns | join(', ') }}
from {{ model }} as this
where
    {%- for column in columns %} {{ column }} is not null and {% endfor %}
    not exists (
        select from {{ to }} as other
        where {% for column in columns -%}
            other.{{ others[loop.index0] }} = this.{{ column }}{{ ' and ' if not loop.last }}
        {%- endfor %}
    )
{% endtest %}
