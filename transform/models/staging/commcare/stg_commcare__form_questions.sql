{{ config(enabled=stream_is_loaded('commcare', 'form_questions')) }}

select
    app_id,
    xmlns,
    path,
    domain,
    position,
    type as question_type,
    tag,
    label,
    translations,
    "group" as group_path,
    repeat as repeat_path,
    is_group,
    is_required,
    relevant,
    "constraint" as constraint_text,
    setvalue,
    comment as comment_text,
    hashtag,
    options,
    data_source

from {{ source('commcare', 'form_questions') }}
