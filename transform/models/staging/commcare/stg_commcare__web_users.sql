{{ config(enabled=stream_is_loaded('commcare', 'web_users')) }}

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
    is_admin,
    permissions,
    profile,
    primary_location_id,
    assigned_location_ids as location_ids,
    is_active_in_domain as is_active,
    tableau_role,
    user_data,
    eulas

from {{ source('commcare', 'web_users') }}
