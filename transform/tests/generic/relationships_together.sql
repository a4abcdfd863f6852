{#- What the columns refer to is there. A warning: it may have been deleted, or may not be seen with the login. -#}
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
