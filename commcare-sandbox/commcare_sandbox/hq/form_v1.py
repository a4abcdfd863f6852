"""Form API v1: ordered by received_on, newest first, by default; archived forms are hidden."""

from __future__ import annotations

from typing import Any

from commcare_sandbox.hq.case_v1 import order, ordered
from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.data.cases import to_v1
from commcare_sandbox.hq.data.collection import Query
from commcare_sandbox.hq.data.form_types import FORM_TYPES
from commcare_sandbox.hq.data.forms import PERIOD, Form, is_archived
from commcare_sandbox.hq.data.submission import case_blocks
from commcare_sandbox.hq.filters import V1_RESERVED, Filters, nothing, v1_bound
from commcare_sandbox.hq.tastypie import page
from commcare_sandbox.http_types import HTTPError, Response

DATES = {
    "received_on": "received_on",
    "server_modified_on": "server_modified_on",
    "server_date_modified": "server_modified_on",
    "indexed_on": "indexed_on",
}
_NO_FILTERS = (*V1_RESERVED, "include_archived", "_search")


def form_list(context: Context) -> Response:
    """Return a page of forms."""
    query = _query(context)
    by = order(context, DATES, "-received_on")
    forms = context.domain.forms
    total = forms.count(query)

    def fetch(offset: int, limit: int) -> list[Form]:
        found = ordered(context, forms, query, by, (offset, limit, total))
        return [to_json(context, form) for form in found]

    return page(context, total, fetch)


def form_detail(context: Context) -> Response:
    """Return one form, archived or not."""
    form = context.domain.forms.get(context.request.path_params["id"])
    if form is None:
        raise HTTPError(404)
    return Response(to_json(context, form))


def _query(context: Context) -> Query[Form]:
    params = dict(context.request.params)
    filters: Filters[Form] = Filters(PERIOD)
    for name, value in params.items():
        if name not in _NO_FILTERS and not name.endswith("__full"):
            _add(filters, name, value)
    if "include_archived" not in params:
        filters.by_number(lambda at: not is_archived(at), lambda form: not form["archived"])
    return filters.query()


def _add(filters: Filters[Form], name: str, value: str) -> None:
    wanted = value.lower()
    if bound := v1_bound(name, value, DATES):
        filters.date_range(bound)
    elif name == "xmlns":
        filters.by_number(
            lambda at: FORM_TYPES[at % len(FORM_TYPES)].xmlns == value,
            lambda form: str(form["form"].get("@xmlns", "")) == value,
        )
    elif name == "app_id":
        filters.by_number(
            lambda at: (FORM_TYPES[at % len(FORM_TYPES)].app_id or "").lower() == wanted,
            lambda form: (form["app_id"] or "").lower() == wanted,
        )
    elif name == "case_id":
        filters.test(f"{name}={value}", lambda form: value in _touched(form))
    else:
        filters.test(name, nothing)


def _touched(form: Form) -> list[str]:
    blocks = case_blocks(form["form"])
    return sorted({str(block.get("@case_id") or block.get("case_id")) for block in blocks})


def to_json(context: Context, form: Form) -> dict[str, Any]:
    """Return a form as the API shows it, with URLs of its attachments."""
    home = f"{context.hq.base_url}/a/{form['domain']}/api/form_attachment/v1/{form['id']}"
    attachments = {
        name: {**attachment, "url": f"{home}/{name}"}
        for name, attachment in form["attachments"].items()
    }
    response = {**form, "attachments": attachments}
    if context.request.get("cases__full") == "true":
        cases = [context.domain.cases.get(case_id) for case_id in _touched(form)]
        response["cases"] = [to_v1(case, context.domain.name) for case in cases if case]
    return response
