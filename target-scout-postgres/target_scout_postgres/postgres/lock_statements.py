"""SQL for the table `_scout_lock`, whose one row names the session that loads the dataset schema.

The lock ends with that session: the row of a session that no longer exists locks nothing. Built
here, executed by `dataset_lock`.
"""

from __future__ import annotations

from psycopg2.sql import SQL, Composable, Composed, Identifier

LOCK = "_scout_lock"

COLUMNS = (
    ("name", "text"),
    ("token", "uuid"),
    ("pid", "integer"),
    ("backend_start", "timestamp with time zone"),
    ("role_id", "oid"),
    ("server_started_at", "timestamp with time zone"),
    ("table_id", "oid"),
    ("program", "text"),
    ("role", "text"),
    ("since", "timestamp with time zone"),
)

# Identifies this session. The start is hidden from a session that has set another role.
IDENTITY = """
    SELECT pid, backend_start, usesysid, application_name, session_user::text
      FROM pg_stat_get_activity(pg_backend_pid())
"""

# Whether the session of the row "held" still exists. Every role sees process, role and database of
# all sessions, so a session of another role that got the process id of a killed run is not mistaken
# for it; a session's start is visible only to roles with its rights. The server's start and the
# table's oid invalidate rows that came with a dump or a copy of the database.
IS_ALIVE = """
    (held.table_id = held.tableoid AND held.server_started_at = pg_postmaster_start_time()
     AND EXISTS (SELECT FROM pg_stat_get_activity(held.pid) AS session
                  WHERE session.pid = held.pid AND session.usesysid = held.role_id
                    AND session.datid = (SELECT oid FROM pg_database
                                          WHERE datname = current_database())
                    AND (session.backend_start = held.backend_start
                         OR session.backend_start IS NULL OR held.backend_start IS NULL)))
"""

# What is wrong with the table, if anything: a statement on it must not run code of other roles.
TABLE_CHECK = """
    SELECT CASE
             WHEN class.relkind <> 'r' OR class.relpersistence <> 'p' THEN 'is not a plain table'
             WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = class.oid) THEN 'has triggers'
             WHEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class = class.oid) THEN 'has rules'
             WHEN class.relrowsecurity THEN 'has row level security'
             WHEN EXISTS (SELECT FROM pg_attrdef WHERE adrelid = class.oid)
               OR EXISTS (SELECT FROM pg_inherits WHERE class.oid IN (inhrelid, inhparent))
               OR EXISTS (SELECT FROM pg_constraint
                           WHERE conrelid = class.oid AND contype NOT IN ('p', 'n'))
               OR ARRAY(SELECT indkey::text || indisprimary::text
                               || (indexprs IS NULL)::text || (indpred IS NULL)::text
                          FROM pg_index WHERE indrelid = class.oid) <> '{1truetruetrue}'
               OR ARRAY(SELECT attname || ' ' || format_type(atttypid, atttypmod)
                          FROM pg_attribute
                         WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
                         ORDER BY attnum) <> %s THEN 'has another shape'
           END,
           has_table_privilege(class.oid, 'SELECT') AND has_table_privilege(class.oid, 'INSERT')
           AND has_table_privilege(class.oid, 'UPDATE'),
           pg_has_role(class.relowner, 'USAGE'), pg_get_userbyid(class.relowner), class.oid
      FROM pg_class AS class
     WHERE class.relname = %s
       AND class.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
"""

# Roles that may do more than read, for example by default privileges. Roles that may create tables
# in the schema are loaders and may write.
UNEXPECTED_WRITERS = """
    SELECT DISTINCT CASE right_.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(right_.grantee) END
      FROM pg_class AS class,
           LATERAL (SELECT * FROM aclexplode(class.relacl)
                    UNION ALL
                    SELECT of_column.* FROM pg_attribute,
                           LATERAL aclexplode(attacl) AS of_column
                     WHERE attrelid = class.oid) AS right_
     WHERE class.relname = %s
       AND class.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
       AND right_.grantee <> class.relowner AND right_.privilege_type <> 'SELECT'
       AND (right_.grantee = 0
            OR NOT has_schema_privilege(right_.grantee, class.relnamespace, 'CREATE'))
"""

# Other sessions that hold locks on tables of the schema, the strongest lock first.
BLOCKERS = """
    SELECT lock.pid, activity.application_name, activity.usename, activity.backend_start
      FROM pg_locks AS lock
      JOIN pg_class AS class ON class.oid = lock.relation
      JOIN pg_namespace AS space ON space.oid = class.relnamespace
      LEFT JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
     WHERE space.nspname = %s AND lock.locktype = 'relation' AND lock.granted
       AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND lock.pid <> ALL (%s)
       AND CASE WHEN %s::text IS NULL THEN lock.mode <> 'AccessShareLock'
                ELSE class.relname = %s END
     ORDER BY lock.mode = 'AccessExclusiveLock' DESC, lock.mode = 'ExclusiveLock' DESC,
              lock.mode = 'AccessShareLock', lock.pid
     LIMIT 1
"""


def create(lock: Composable) -> Composed:
    """Create the table."""
    columns = [SQL("{} {}").format(Identifier(name), SQL(type_)) for name, type_ in COLUMNS]
    return SQL("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY (name))").format(
        lock, SQL(", ").join(columns)
    )


def shape() -> list[str]:
    """Return the columns as `TABLE_CHECK` compares them."""
    return [f"{name} {type_}" for name, type_ in COLUMNS]


def restrict(lock: Composable, role: str | None) -> Composed:
    """Revoke everything but SELECT from a role; None: from PUBLIC."""
    grantee = SQL("PUBLIC") if role is None else Identifier(role)
    return SQL("REVOKE ALL ON {lock} FROM {role}; GRANT SELECT ON {lock} TO {role}").format(
        lock=lock, role=grantee
    )


def holder(lock: Composable) -> Composed:
    """Select the holder of the lock, and whether its session still exists."""
    return SQL(
        "SELECT held.pid, held.program, held.role, held.since, {} FROM {} AS held"
        " WHERE held.name = 'load'"
    ).format(SQL(IS_ALIVE), lock)


def take(lock: Composable) -> Composed:
    """Take the lock if its holder's session has ended; wait for that session's last transaction.

    This session's identity is passed in as values: pg_stat_get_activity is read once per statement,
    and must not be read before the wait.
    """
    return SQL(
        "INSERT INTO {lock} AS held (name, token, pid, backend_start, role_id, program, role,"
        " server_started_at, table_id, since)"
        " VALUES ('load', %s, %s, %s, %s, %s, %s, pg_postmaster_start_time(), %s, now())"
        " ON CONFLICT (name) DO UPDATE SET token = EXCLUDED.token, pid = EXCLUDED.pid,"
        " backend_start = EXCLUDED.backend_start, role_id = EXCLUDED.role_id,"
        " program = EXCLUDED.program, role = EXCLUDED.role, table_id = EXCLUDED.table_id,"
        " server_started_at = EXCLUDED.server_started_at, since = EXCLUDED.since"
        " WHERE NOT {alive} RETURNING 1"
    ).format(lock=lock, alive=SQL(IS_ALIVE))


def fence(lock: Composable) -> Composed:
    """Begin a transaction that excludes those of other runs; select whether the lock is alive.

    No row comes back if another run has taken the lock since. The row stays locked until the
    transaction ends.
    """
    return SQL(
        "BEGIN; SELECT {alive} FROM {lock} AS held WHERE name = 'load' AND token = %s FOR UPDATE"
    ).format(lock=lock, alive=SQL(IS_ALIVE))


def renew(lock: Composable) -> Composed:
    """Record a new session of the holder, in one of its transactions."""
    return SQL(
        "UPDATE {} SET pid = %s, backend_start = %s, role_id = %s,"
        " server_started_at = pg_postmaster_start_time() WHERE token = %s"
    ).format(lock)


def release(lock: Composable) -> Composed:
    """Release the lock."""
    return SQL("SET lock_timeout = '1s'; UPDATE {} SET pid = NULL WHERE token = %s").format(lock)
