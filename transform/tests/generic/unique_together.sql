{#- The columns together are a key: no combination comes twice, and none of them is null but those that may be. -#}
{% test unique_together(model, columns, nullable=[]) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{%- for column in columns if column not in nullable %} or {{ column }} is null{% endfor %}
{% endtest %}
