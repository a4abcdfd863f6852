"""Saved exports as Data Export Tool configurations: a list, and a workbook for each."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.data.cases import FAMILIES
from commcare_sandbox.hq.data.form_types import FORM_TYPES
from commcare_sandbox.hq.tastypie import paginated
from commcare_sandbox.http_types import HTTPError, Response
from commcare_sandbox.pseudorandom import hex_id

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEADS = ("Data Source", "Filter Name", "Filter Value", "Field", "Source Field", "Map Via")
_FIELDS = {
    "form": (("id", "id"), ("received_on", "received_on"), ("username", "form.meta.username")),
    "case": (("id", "id"), ("name", "properties.case_name"), ("owner", "properties.owner_id")),
}


def export_list(context: Context) -> Response:
    """Return the saved exports: forms first, then cases."""
    return paginated(context, _exports(context))


def export_detail(context: Context) -> Response:
    """Return one saved export."""
    return Response(_requested(context))


def export_workbook(context: Context) -> Response:
    """Return the Excel workbook that configures the Data Export Tool."""
    export = _requested(context)
    name, value = ("xmlns.exact", export["xmlns"])
    if export["type"] == "case":
        name, value = ("type", export["case_type"])
    filters = {0: (name, str(value))}
    rows = [_HEADS]
    for at, (field, source) in enumerate(_FIELDS[export["type"]]):
        head = (export["type"] if at == 0 else "", *filters.get(at, ("", "")))
        rows.append((*head, field, source, ""))
    return Response(_workbook(export["name"], rows), content_type=XLSX_TYPE)


def _requested(context: Context) -> dict[str, Any]:
    for export in _exports(context):
        if export["id"] == context.request.path_params["id"]:
            return export
    raise HTTPError(404)


def _exports(context: Context) -> list[dict[str, Any]]:
    forms = [
        ("form", kind.name, {"xmlns": kind.xmlns}) for kind in FORM_TYPES if kind.app_id is not None
    ]
    types = dict.fromkeys(case_type for case_type, _ in FAMILIES)
    cases = [("case", each.title(), {"case_type": each}) for each in types]
    return [
        _export(context, at, kind, name, which)
        for at, (kind, name, which) in enumerate([*forms, *cases])
    ]


def _export(
    context: Context, at: int, kind: str, name: str, which: dict[str, str]
) -> dict[str, Any]:
    export_id = hex_id(context.domain.seed, "export", at)
    path = f"/a/{context.domain.name}/data/export/custom/{kind}/{export_id}/det_config.xlsx"
    return {
        "id": export_id,
        "name": f"{name} export",
        "type": kind,
        "export_format": ("xlsx", "csv")[at % 2],
        "is_deidentified": at % 5 == 4,
        "case_type": which.get("case_type"),
        "xmlns": which.get("xmlns"),
        "det_config_url": f"{context.hq.base_url}{path}",
    }


def _workbook(name: str, rows: Sequence[tuple[str, ...]]) -> bytes:
    """Return an Excel workbook of one sheet of texts."""
    title = escape("".join(c for c in name if c not in "[]:*?/\\")[:31], {'"': "&quot;"})
    cells = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    relation = (
        '<Relationships xmlns="{package}/relationships"><Relationship Id="rId1"'
        ' Type="{document}/{type}" Target="{target}"/></Relationships>'
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KIND}.worksheet+xml"/>'
        "</Types>",
        "_rels/.rels": relation.format(
            package=_PACKAGE, document=_DOCUMENT, type="officeDocument", target="xl/workbook.xml"
        ),
        "xl/workbook.xml": f'<workbook xmlns="{_SHEETS}" xmlns:r="{_DOCUMENT}"><sheets>'
        f'<sheet name="{title}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relation.format(
            package=_PACKAGE, document=_DOCUMENT, type="worksheet", target="worksheets/sheet1.xml"
        ),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_SHEETS}"><sheetData>{cells}</sheetData>'
        "</worksheet>",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return packed.getvalue()


def _cell(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{escape(text)}</t></is></c>'
