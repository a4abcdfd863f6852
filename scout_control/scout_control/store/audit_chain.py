"""Verifies the audit trail by recomputing each hash from the current rows.

Nothing stored in the database is trusted: functions and triggers are compared with the migration
that created them, and hashes are computed by statements of this program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MIGRATION = "v0007_audit.sql"
FUNCTION = re.compile(r"CREATE FUNCTION scout_control\.(\w+)\(\).*?AS \$\$(.*?)\$\$;", re.DOTALL)
TRIGGER = re.compile(r"ALTER TABLE scout_control\.(\w+) ENABLE ALWAYS TRIGGER (\w+);")
MAX_FLAWS = 20

LINKS = """
    WITH link AS (
        SELECT link.position, link.hash, event.id,
               lag(link.position) OVER along AS earlier,
               lag(link.hash) OVER along AS hash_before,
               jsonb_build_array(
                   link.position, event.id, trunc(extract(epoch FROM event.at) * 1000000)::bigint,
                   event.action, event.subject_kind, event.facts, event.digests
               )::text AS payload
          FROM scout_control.audit_chain AS link
          LEFT JOIN scout_control.audit_events AS event ON event.id = link.event_id
         WHERE link.position >= :first
        WINDOW along AS (ORDER BY link.position)
    )
    SELECT position,
           CASE WHEN position <> coalesce(earlier + 1, :first) THEN 'preceding events are missing'
                WHEN id IS NULL THEN 'its event is missing'
                ELSE 'it or a preceding event was changed'
           END
      FROM link
     WHERE position <> coalesce(earlier + 1, :first)
        OR id IS NULL
        OR hash <> sha256(coalesce(hash_before, :anchor) || convert_to(payload, 'UTF8'))
     ORDER BY position
     LIMIT :most
"""
VALUES = """
    SELECT link.position, 'its value ' || value.name || ' was changed or added'
      FROM scout_control.audit_values AS value
      JOIN scout_control.audit_events AS event ON event.id = value.event_id
      LEFT JOIN scout_control.audit_chain AS link ON link.event_id = event.id
     WHERE event.id >= :first_id
       AND event.digests ->> value.name
           IS DISTINCT FROM encode(sha256(value.salt || convert_to(value.value, 'UTF8')), 'hex')
     ORDER BY 1
     LIMIT :most
"""
MISSING_VALUES = """
    WITH erased AS (
        SELECT each.key AS name, range_agg(span) AS ids
          FROM scout_control.audit_events AS event,
               jsonb_each_text(event.facts -> 'erased') AS each,
               unnest(each.value::int8multirange) AS span
         WHERE event.action = 'audit erasure'
         GROUP BY 1
    )
    SELECT link.position, 'its value ' || digest.key || ' was removed'
      FROM scout_control.audit_events AS event
      JOIN scout_control.audit_chain AS link ON link.event_id = event.id
     CROSS JOIN jsonb_object_keys(event.digests) AS digest (key)
     WHERE event.id >= :first_id AND link.position >= :first
       AND NOT EXISTS (
           SELECT FROM scout_control.audit_values AS value
            WHERE value.event_id = event.id AND value.name = digest.key
       )
       AND NOT EXISTS (
           SELECT FROM erased WHERE erased.name = digest.key AND event.id <@ erased.ids
       )
     ORDER BY 1
     LIMIT :most
"""
UNCHAINED = """
    SELECT NULL::bigint, 'event ' || event.id || ' is not in the chain'
      FROM scout_control.audit_events AS event
     WHERE event.id >= :first_id
       AND NOT EXISTS (SELECT FROM scout_control.audit_chain WHERE event_id = event.id)
     ORDER BY event.id
     LIMIT :most
"""
HEAD = """
    SELECT head.position, 'the last event is missing'
      FROM scout_control.audit_head AS head
     WHERE NOT EXISTS (
         SELECT FROM scout_control.audit_chain AS link
          WHERE (link.position, link.hash) = (head.position, head.hash)
     ) AND head.position > 0
    UNION ALL
    SELECT link.position, 'it is beyond the recorded end'
      FROM scout_control.audit_chain AS link, scout_control.audit_head AS head
     WHERE link.position > head.position
    UNION ALL
    SELECT NULL, 'the end of the chain is not recorded'
     WHERE (SELECT count(*) FROM scout_control.audit_head) <> 1
     LIMIT :most
"""
CHECKS = (LINKS, VALUES, MISSING_VALUES, UNCHAINED, HEAD)
ANCHOR = """
    SELECT coalesce((event.facts ->> 'last')::bigint, 0) + 1,
           coalesce(decode(event.facts ->> 'hash', 'hex'), sha256('scout_control audit'))
      FROM (SELECT) AS one
      LEFT JOIN LATERAL (
          SELECT facts FROM scout_control.audit_events
           WHERE action = 'audit retention' ORDER BY id DESC LIMIT 1
      ) AS event ON true
"""
START_OF_LATEST = """
    SELECT link.position + 1, link.hash FROM scout_control.audit_chain AS link
     WHERE link.position = (SELECT position - :most FROM scout_control.audit_head)
"""
END = """
    SELECT head.position, encode(head.hash, 'hex'), (SELECT count(*) FROM scout_control.audit_chain)
      FROM scout_control.audit_head AS head
"""
FIRST_ID = """
    SELECT coalesce(min(event_id), 0) FROM scout_control.audit_chain WHERE position >= :first
"""
EXPECTED = """
    SELECT FROM scout_control.audit_chain WHERE hash = decode(:hash, 'hex')
    UNION ALL
    SELECT FROM scout_control.audit_events
     WHERE action = 'audit retention' AND facts ->> 'hash' = :hash
"""
FUNCTIONS = """
    SELECT proname, prosrc FROM pg_catalog.pg_proc
     WHERE pronamespace = 'scout_control'::regnamespace
"""
TRIGGERS = """
    SELECT relname, tgname FROM pg_catalog.pg_trigger
      JOIN pg_catalog.pg_class ON pg_class.oid = tgrelid
      JOIN pg_catalog.pg_proc ON pg_proc.oid = tgfoid AND proname = tgname
     WHERE relnamespace = 'scout_control'::regnamespace AND tgenabled = 'A'
"""
PRESENT_TRIGGERS = """
    SELECT relname, tgname FROM pg_catalog.pg_trigger
      JOIN pg_catalog.pg_class ON pg_class.oid = tgrelid
     WHERE relnamespace = 'scout_control'::regnamespace
       AND relname LIKE 'audit\\_%' AND NOT tgisinternal
    UNION ALL
    SELECT ev_class::regclass::text, rulename FROM pg_catalog.pg_rewrite
     WHERE ev_class::regclass::text LIKE '%audit\\_%' AND rulename <> '_RETURN'
"""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """A defect of the chain, and its position if known."""

    position: int | None
    flaw: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a verification: first and last position, last hash, events, flaws."""

    first: int
    last: int
    hash: str
    events: int
    flaws: list[Flaw]


def verify(session: Session, *, most: int | None = None, expect: str | None = None) -> Verdict:
    """Verify all events, or the latest ones.

    Args:
        session: A transaction with a stable snapshot (REPEATABLE READ).
        most: How many of the latest events to verify; all by default.
        expect: A hash from an earlier verdict, whose event must still be in the chain.
    """
    first, anchor = _start(session, most)
    first_id = session.scalar(text(FIRST_ID), {"first": first}) if most is not None else 0
    parameters = {"first": first, "first_id": first_id, "anchor": anchor, "most": MAX_FLAWS}
    flaws = _trigger_flaws(session)
    for check in CHECKS:
        used = {
            name: value for name, value in parameters.items() if re.search(f":{name}\\b", check)
        }
        rows = session.execute(text(check), used)
        flaws += [Flaw(position=position, flaw=flaw) for position, flaw in rows]
    if expect is not None and not _has(session, expect):
        flaws.append(Flaw(position=None, flaw="the expected hash is not in the chain"))
    end = session.execute(text(END)).first() or (0, "", 0)
    return Verdict(
        first=first,
        last=end[0],
        hash=end[1],
        events=end[2],
        flaws=sorted(flaws, key=lambda each: (each.position is None, each.position or 0)),
    )


def _start(session: Session, most: int | None) -> tuple[int, bytes]:
    """Return the position to start at, and the hash of the preceding event."""
    start: Any = None
    if most is not None:
        start = session.execute(text(START_OF_LATEST), {"most": most}).first()
    first, anchor = start or session.execute(text(ANCHOR)).one()
    return int(first), bytes(anchor)


def _has(session: Session, expect: str) -> bool:
    if re.fullmatch(r"[0-9a-f]{64}", expect) is None:
        return False
    return session.execute(text(EXPECTED), {"hash": expect}).first() is not None


def expected_triggers() -> set[tuple[str, str]]:
    """Return the tables and names of the triggers that protect the trail."""
    return set(TRIGGER.findall(_script()))


def _script() -> str:
    return (files(f"{__package__}.migrations.versions") / MIGRATION).read_text()


def _trigger_flaws(session: Session) -> list[Flaw]:
    """Compare functions and triggers with those of the migration."""
    bodies, wanted = dict(FUNCTION.findall(_script())), expected_triggers()
    stored = dict(session.execute(text(FUNCTIONS)).tuples().all())
    on = {(table, name) for table, name in session.execute(text(TRIGGERS))}
    present = {
        (table.rpartition(".")[2], name) for table, name in session.execute(text(PRESENT_TRIGGERS))
    }
    flaws = [
        f"the function {name} was replaced" for name in bodies if stored.get(name) != bodies[name]
    ]
    flaws += [f"the trigger {name} of {table} is off" for table, name in sorted(wanted - on)]
    flaws += [
        f"unknown trigger or rule {name} on {table}" for table, name in sorted(present - wanted)
    ]
    return [Flaw(position=None, flaw=flaw) for flaw in flaws]
