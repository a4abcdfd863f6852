{{ config(enabled=stream_is_loaded('commcare', 'users')) }}

select
    id as user_id,
    domain,
    username,
    first_name,
    last_name,
    email,
    default_phone_number as phone_number,
    phone_numbers,
    role,
    is_active,
    language,
    "groups" as group_ids,
    locations as location_ids,
    primary_location as primary_location_id,
    user_data,
    eulas

from {{ source('commcare', 'users') }}
