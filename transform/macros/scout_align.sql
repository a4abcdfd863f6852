{#- Gives a table the columns and rows of a newly built one. Columns that the new one lacks stay, empty: views may use them.
    Where the type of a column changes, Postgres allows no view on it: views are dropped, deepest first, and created again with
    their grants and comments, in the same transaction. -#}
{% macro scout_align(fresh, relation) %}
    create temporary table scout_views on commit drop as {{ scout_views(fresh, relation) }};
    do $do$
    declare
        held record;
        wanted record;
        columns text;
    begin
        for held in select name from scout_views order by depth desc loop
            execute 'drop view ' || held.name;
        end loop;
        for wanted in
            select a.attname, format_type(a.atttypid, a.atttypmod) as column_type, b.atttypid is null as is_new
            from pg_attribute as a
            left join pg_attribute as b
                on b.attrelid = '{{ relation }}'::regclass and b.attname = a.attname and not b.attisdropped
            where a.attrelid = '{{ fresh }}'::regclass and a.attnum > 0 and not a.attisdropped
                and b.atttypid is distinct from a.atttypid
        loop
            if wanted.is_new then
                execute format('alter table {{ relation }} add column %I %s', wanted.attname, wanted.column_type);
            else
                execute format(
                    'alter table {{ relation }} alter column %I type %s using null', wanted.attname, wanted.column_type
                );
            end if;
        end loop;
        select string_agg(quote_ident(attname), ', ' order by attnum) into columns
        from pg_attribute where attrelid = '{{ fresh }}'::regclass and attnum > 0 and not attisdropped;
        delete from {{ relation }};
        execute format('insert into {{ relation }} (%s) select %s from {{ fresh }}', columns, columns);
        for held in select name, remade from scout_views order by depth loop
            begin
                execute held.remade;
            exception when others then
                raise exception 'the view % is not valid with the new type of a column (%): drop or change it, then run again',
                    held.name, sqlerrm;
            end;
        end loop;
    end $do$;
{% endmacro %}

{#- The views that depend on a table, directly or through other views, with the SQL that creates each again; none when no type changes. -#}
{% macro scout_views(fresh, relation) %}
    with recursive dependents (oid, depth) as (
        select '{{ relation }}'::regclass::oid, 0
        where exists (
            select from pg_attribute as a
            join pg_attribute as b on b.attrelid = '{{ relation }}'::regclass and b.attname = a.attname
            where a.attrelid = '{{ fresh }}'::regclass and a.attnum > 0 and a.atttypid <> b.atttypid
                and not a.attisdropped and not b.attisdropped
        )
        union
        select pg_rewrite.ev_class, depth + 1
        from dependents
        join pg_depend on refobjid = dependents.oid and refclassid = 'pg_class'::regclass
        join pg_rewrite on pg_rewrite.oid = objid and classid = 'pg_rewrite'::regclass
        where pg_rewrite.ev_class <> dependents.oid
    ),
    views as (
        select oid::regclass::text as name, oid, max(depth) as depth from dependents group by oid having max(depth) > 0
    )
    select name, depth, concat(
        format('create view %s as %s;', name, pg_get_viewdef(oid)),
        (
            select string_agg(format('grant %s on %s to %s;', privilege_type, name, grantee::regrole), '')
            from pg_class, aclexplode(relacl) where pg_class.oid = views.oid and grantee not in (0, relowner)
        ),
        (
            select string_agg(format('comment on %s is %L;', coalesce(
                format('column %s.', name) || quote_ident(attname), 'view ' || name
            ), description), '')
            from pg_description left join pg_attribute on attrelid = objoid and attnum = objsubid and attnum > 0
            where objoid = views.oid and classoid = 'pg_class'::regclass
        )
    ) as remade
    from views
{% endmacro %}
