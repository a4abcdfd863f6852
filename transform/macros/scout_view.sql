{#- A view that is replaced in place, so that views of users on it stay valid. An unchanged view is not touched, so that the build does
    not wait for its readers. Where Postgres cannot replace a view, since its columns changed, it is dropped and created; that fails if
    anything depends on it, since CASCADE would drop the views of users. -#}
{% materialization scout_view, adapter='postgres' %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif -%}
    {% call statement('main') %}
        {{ scout_patience() }}
        do $scout_view$
        begin
            create or replace temporary view scout_view as ({{ sql }});
            if pg_get_viewdef(to_regclass('{{ this }}')) = pg_get_viewdef('pg_temp.scout_view'::regclass) then
                drop view pg_temp.scout_view;
                return;
            end if;
            drop view pg_temp.scout_view;
            create or replace view {{ this }} as ({{ sql }});
        exception when invalid_table_definition then
            drop view {{ this }};
            create view {{ this }} as ({{ sql }});
        end $scout_view$;
    {% endcall %}
    {% do persist_docs(this.incorporate(type='view'), model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}
