{{ config(enabled=stream_is_loaded('commcare', 'cases')) }}
-- Links between cases: one row per case and index. Join both ids to stg_commcare__cases or case_<type>.

select
    cases.domain,
    cases.case_id,
    cases.case_type,
    link.key as link_name,
    link.value ->> 'case_id' as linked_case_id,
    link.value ->> 'case_type' as linked_case_type,
    coalesce(link.value ->> 'relationship', 'child') as relationship

from {{ ref('stg_commcare__cases') }} as cases
cross join lateral jsonb_each(
    case jsonb_typeof(cases.indices) when 'object' then cases.indices else '{}'::jsonb end
) as link
where link.value ->> 'case_id' <> ''
