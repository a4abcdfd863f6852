{#- The transaction id before which a model holds all rows, as scout-dbt recorded it; none when the model has to be rebuilt. -#}
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

{#- Whether a row was written since the model was built. Rows keep the lower 32 bits of a transaction id (xmin); the epoch follows
    from the present id. An id that looks later than the present one is of the previous epoch. -#}
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

{#- A table that is updated in place: readers see the old rows or the new ones, and views on it stay valid. With a watermark only the
    rows of records that were written or removed since are exchanged; otherwise the table is rebuilt, and swapped if no view
    depends on it. -#}
{% materialization scout_table, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set is_delta = existing is not none and scout_watermark() is not none -%}
    {%- set digest = local_md5(this.identifier)[:16] -%}
    {%- set fresh = this.include(identifier=false) ~ '."_scout_new_' ~ digest ~ '"' -%}
    {#- No generated table is called pk_...; identifiers have at most 63 bytes. -#}
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

{#- How long an exclusive lock waits for readers. New readers queue behind it, so it gives up soon; the next run tries again. -#}
{% macro scout_patience() -%}
    set local lock_timeout = '10s';
{%- endmacro %}

{#- Whether a record of the stream belongs to a row of the table: their keys are equal. -#}
{% macro scout_same(keys) -%}
    {%- for key, called in keys.items() -%}
        s.{{ adapter.quote(key) }} = t.{{ adapter.quote(called) }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- Whether views depend on a table: then it cannot be dropped and swapped. -#}
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
