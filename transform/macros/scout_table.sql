{#- The moment up to which a model holds everything, as the number of a transaction; none when it has
    to be built anew: it is new, or its columns changed. -#}
{% macro scout_watermark() %}
    {%- if not execute or flags.FULL_REFRESH -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set found = run_query(
        "select watermark from " ~ this.include(identifier=false) ~ "._scout_due where name = '"
        ~ this.identifier ~ "' and watermark is not null"
    ) -%}
    {{ return(found.rows[0][0] if found.rows | length else none) }}
{% endmacro %}

{#- Whether a row was written since the model was built. A row keeps 32 bits of the number of the
    transaction that wrote it; the rest is told by the present number. -#}
{% macro scout_changed(row) -%}
    {%- set watermark = scout_watermark() -%}
    {%- if watermark is none -%}
        true
    {%- else -%}
        {%- set newest = run_query("select txid_snapshot_xmax(txid_current_snapshot())").rows[0][0] | int -%}
        {%- set high = newest // 4294967296 * 4294967296 -%}
        ({{ row }}.xmin::text::bigint + case when {{ row }}.xmin::text::bigint > {{ newest - high }}
            then {{ high - 4294967296 }} else {{ high }} end) >= {{ watermark }}
    {%- endif -%}
{%- endmacro %}

{#- A table that is built in place: readers see the rows of before or those of after, views on it stay. -#}
{% materialization scout_table, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set is_delta = existing is not none and scout_watermark() is not none -%}
    {%- set digest = local_md5(this.identifier)[:16] -%}
    {%- set fresh = this.include(identifier=false) ~ '."_scout_new_' ~ digest ~ '"' -%}
    {#- No generated table is called pk_something; 63 bytes are the longest name. -#}
    {%- set key = 'pk_' ~ (this.identifier if this.identifier.encode() | length <= 60 else digest) -%}
    {%- set keys = config.require('keys') | join(', ') -%}
    {%- set origin = this.include(identifier=false) ~ '.' ~ adapter.quote(config.require('stream')) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if is_delta %}
        {% set columns = adapter.get_columns_in_relation(this) | map(attribute='quoted') | join(', ') %}
        {% call statement('main') %}
            create temporary table scout_rows on commit drop as ({{ sql }});
            delete from {{ this }} as t where exists (
                select from {{ origin }} as s where {{ scout_same(config.require('source_keys')) }} and {{ scout_changed('s') }}
            );
            delete from {{ this }} as t where not exists (
                select from {{ origin }} as s where {{ scout_same(config.require('source_keys')) }}
            );
            insert into {{ this }} ({{ columns }}) select {{ columns }} from scout_rows;
        {% endcall %}
    {% else %}
        {% call statement('main') %}
            {{ scout_patience() }}
            drop table if exists {{ fresh }};
            create table {{ fresh }} as ({{ sql }});
            alter table {{ fresh }} add constraint "_scout_new_key_{{ digest }}" primary key ({{ keys }});
            {%- if existing is not none and not scout_dependents(this) %}
            {{ scout_copy_grants(this, fresh) }}
            drop table {{ this }};
            {%- endif %}
            {%- if existing is none or not scout_dependents(this) %}
            alter table {{ fresh }} rename to {{ adapter.quote(this.identifier) }};
            alter table {{ this }} rename constraint "_scout_new_key_{{ digest }}" to {{ adapter.quote(key) }};
            {%- else %}
            {{ scout_align(fresh, this) }}
            drop table {{ fresh }};
            {%- endif %}
            analyze {{ this }};
        {% endcall %}
    {% endif %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmaterialization %}

{#- How long a table or view that changes its columns waits for who reads it, and others for it. -#}
{% macro scout_patience() -%}
    set local lock_timeout = '10s';
{%- endmacro %}

{#- Whether a record of the stream is the one that a row of the table is of: columns of both by name. -#}
{% macro scout_same(keys) -%}
    {%- for key, called in keys.items() -%}
        s.{{ adapter.quote(key) }} = t.{{ adapter.quote(called) }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- Whether views hang on a table: then it has to stay the table that it is. -#}
{% macro scout_dependents(relation) %}
    {{ return(run_query(
        "select 1 as one from pg_depend join pg_rewrite on pg_rewrite.oid = objid"
        ~ " where classid = 'pg_rewrite'::regclass and refclassid = 'pg_class'::regclass"
        ~ " and refobjid = '" ~ relation ~ "'::regclass limit 1"
    ).rows | length > 0) }}
{% endmacro %}

{% macro scout_copy_grants(from_relation, to_relation) %}
    do $do$
    declare held record;
    begin
        for held in
            select privilege_type, grantee::regrole as grantee
            from pg_class, aclexplode(relacl)
            where pg_class.oid = '{{ from_relation }}'::regclass and grantee not in (0, relowner)
        loop
            execute format('grant %s on {{ to_relation }} to %s', held.privilege_type, held.grantee);
        end loop;
    end $do$;
{% endmacro %}
