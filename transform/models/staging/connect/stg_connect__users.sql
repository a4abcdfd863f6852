{{ config(enabled=stream_is_loaded('connect', 'users')) }}

select
    opportunity_id,
    username,
    name,
    phone,
    date_learn_started as learning_started_at,
    user_invite_status,
    payment_accrued,
    suspended as is_suspended,
    suspension_date as suspended_at,
    suspension_reason,
    invited_date as invited_at,
    completed_learn_date as learning_completed_at,
    last_active as last_active_at,
    date_claimed as claimed_on,
    claim_limits

from {{ source('connect', 'users') }}
