"""Lookup tables, reports and data sources, with CommCare's irregularities."""

from __future__ import annotations

from typing import Any

from commcare_sandbox.hq.data import names, timestamps
from commcare_sandbox.hq.data.sequence import START
from commcare_sandbox.pseudorandom import digester, hex_id, pick

ROWS = 61
REPORT_ROWS = 61
SOURCE_ROWS = 130


class Tables:
    """The lookup tables, reports and data sources of a domain."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._digest = digester(seed, "table")
        self.report_ids = [hex_id(seed, "report", at) for at in range(2)]
        self.source_ids = [hex_id(seed, "data source", at) for at in range(3)]
        self._lost_table = hex_id(seed, "lost table", 0)

    def lookup_tables(self) -> list[dict[str, Any]]:
        """List the lookup tables."""
        return [
            {
                "id": self._table_id(tag),
                "tag": tag,
                "is_global": is_global,
                "fields": [
                    {"field_name": name, "properties": residues} for name, residues in fields
                ],
                "item_attributes": attributes,
                "resource_uri": "",
            }
            for tag, is_global, fields, attributes in _TABLES
        ]

    def lookup_rows(self) -> list[dict[str, Any]]:
        """List the rows of all lookup tables; one belongs to a deleted table."""
        return [
            {
                "id": hex_id(self._seed, "row", at),
                "data_type_id": self._lost_table if tag is None else self._table_id(tag),
                "fields": fields,
                "item_attributes": {"name": "capital"} if at % 20 == 3 else {},
                "sort_key": at,
                "resource_uri": "",
            }
            for at, (tag, fields) in enumerate(self._rows())
        ]

    def fixtures(self) -> list[dict[str, Any]]:
        """List all rows in the flattened form: strings if every field has one value."""
        return [
            {
                "id": hex_id(self._seed, "row", at),
                "fixture_type": tag,
                "fields": _flattened(fields),
                "resource_uri": "",
            }
            for at, (tag, fields) in enumerate(self._rows())
        ]

    def _table_id(self, tag: str) -> str:
        return hex_id(self._seed, f"table {tag}", 0)

    def _rows(self) -> list[tuple[str | None, dict[str, Any]]]:
        rows: list[tuple[str | None, dict[str, Any]]] = [
            ("state", {"state_name": _field(("Tennessee", "en"), ("田納西", "zh"))}),
            ("state", {"state_name": _field(("Ohio", None))}),
            ("city", {"city": _field(("Akron", None)), "state": _field(("Ohio", None))}),
            ("city", {"city": _field(), "state": _field(("Ohio", None))}),
            (None, {"orphan": _field(("of a deleted table", None))}),
        ]
        for at in range(len(rows), ROWS):
            digest = self._digest(at)
            village = pick(names.VILLAGES, digest[0])
            fields = {"city": _field((f"{village} {at}", None)), "state": _field(("", None))}
            rows.append(("city", fields))
        return rows

    def reports(self) -> list[dict[str, Any]]:
        """List the reports."""
        columns = [("district", "field"), ("gender", "expanded"), ("women", "aggregate")]
        return [
            {
                "id": report_id,
                "title": ("Births by district", None)[at],
                "filters": [
                    {"type": "date", "datatype": "date", "slug": "born_on"},
                    {"type": "dynamic_choice_list", "datatype": "string", "slug": "district"},
                ],
                "columns": [
                    {"column_id": name, "display": name.title(), "type": kind}
                    for name, kind in columns
                ],
                "resource_uri": "",
            }
            for at, report_id in enumerate(self.report_ids)
        ]

    def report_rows(self, report_id: str) -> list[dict[str, Any]]:
        """List the rows of a report; the second report is empty."""
        if report_id != self.report_ids[0]:
            return []
        return [self._report_row(at) for at in range(REPORT_ROWS)]

    def _report_row(self, at: int) -> dict[str, Any]:
        digest = self._digest(10_000 + at)
        row: dict[str, Any] = {
            "district": None if at % 13 == 12 else f"{pick(names.VILLAGES, digest[0])} {at}",
            "gender-0": digest[1] % 50,
            "gender-1": digest[2] % 50,
            "women": str(digest[3]) if at % 5 else digest[3] / 2,
        }
        if at >= 50:
            row["gender-2"] = digest[4] % 3
        return row

    def sources(self) -> list[dict[str, Any]]:
        """List the definitions of the data sources, with their indicators."""
        columns = (("name_1a2b", "string"), ("closed_9f", "string"), ("n_77", "integer"))
        return [
            {
                "id": source_id,
                "display_name": ("Cases", "Cases, two rows each", "Cases, many rows")[at],
                "table_id": f"source_{at}",
                "referenced_doc_type": "CommCareCase",
                "is_deactivated": False,
                "configured_filter": {},
                "configured_indicators": [
                    {
                        "column_id": name,
                        "display_name": name,
                        "type": "expression",
                        "datatype": kind,
                        "expression": {"type": "property_name", "property_name": name},
                    }
                    for name, kind in columns
                ],
                "resource_uri": "",
            }
            for at, source_id in enumerate(self.source_ids)
        ]

    def source_rows(self, source_id: str) -> list[dict[str, Any]]:
        """List the rows of a data source by (inserted_at, doc_id).

        The first has one row per document, the second two numbered rows, the third one to seven
        without a number.
        """
        kind = self.source_ids.index(source_id)
        rows = []
        for at in range(SOURCE_ROWS):
            digest = self._digest(20_000 + at)
            doc_id = (
                f"{digest[:4].hex()}-{digest[4:6].hex()}-4{digest[6:8].hex()[1:]}-a000-{at:012d}"
            )
            # Three rows share each timestamp, so that only the pair defines an order.
            inserted = START + at // 3 * timestamps.DAY + 915_246
            row: dict[str, Any] = {
                "id": doc_id,
                "doc_id": doc_id,
                "inserted_at": timestamps.render(inserted, timestamps.NO_ZONE),
                "name_1a2b": names.person(digest),
                "closed_9f": str(bool(digest[8] % 2)),
                "n_77": None if digest[9] % 4 == 0 else digest[9],
            }
            rows += _repeated(row, kind, at)
        return sorted(rows, key=lambda row: (row["inserted_at"], row["doc_id"]))


def _repeated(row: dict[str, Any], kind: int, at: int) -> list[dict[str, Any]]:
    repeats = (1, 2, 1 + at % 7)[kind]
    if kind == 1:
        return [row | {"repeat_iteration": i} for i in range(repeats)]
    return [row | {"visit_5c": i} if kind else row for i in range(repeats)]


def _field(*values: tuple[str, str | None]) -> dict[str, Any]:
    return {
        "field_list": [
            {"field_value": value, "properties": {"lang": language} if language else {}}
            for value, language in values
        ]
    }


def _flattened(fields: dict[str, Any]) -> dict[str, Any]:
    if any(len(field["field_list"]) != 1 for field in fields.values()):
        return fields
    return {name: field["field_list"][0]["field_value"] for name, field in fields.items()}


_TABLES: tuple[tuple[str, bool, list[tuple[str, list[str]]], list[str]], ...] = (
    ("state", False, [("state_name", ["lang"])], []),
    ("city", True, [("city", []), ("state", [])], ["name"]),
    ("empty", False, [("only", [])], []),
)
