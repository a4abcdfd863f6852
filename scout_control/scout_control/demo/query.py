"""A question that a person of a health programme would ask, and its answer from the demo's data."""

from __future__ import annotations

from contextlib import closing

import psycopg2
from psycopg2 import sql

from scout_control.provision import connect

TITLE = "Open pregnancies by village"
COLUMNS = ("village", "open_pregnancies", "high_risk", "languages")
QUERY = """\
select household.properties ->> 'village' as village,
       count(*) as open_pregnancies,
       count(*) filter (where pregnancy.properties ->> 'risk' = 'high') as high_risk,
       string_agg(distinct pregnancy.properties ->> 'language', ', ') as languages
  from stg_commcare__cases as pregnancy
  join stg_commcare__cases as household
    on household.case_id = pregnancy.indices #>> '{parent,case_id}'
 where pregnancy.case_type = 'pregnancy' and not pregnancy.is_closed
 group by village
 order by open_pregnancies desc, village
 limit 5"""


def answer(server_url: str, schema: str, reader: str) -> list[tuple[object, ...]]:
    """Ask as the reader of the dataset would, in a transaction that only reads."""
    with closing(connect(server_url)) as connection, connection.cursor() as cursor:
        connection.set_session(readonly=True)
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(reader)))
        cursor.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema)))
        try:
            cursor.execute(QUERY)
        except psycopg2.errors.UndefinedTable:
            return []
        return list(cursor.fetchall())
