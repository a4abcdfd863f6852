"""Form API v1: newest first by received_on unless ordered otherwise; archived ones hidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commcare_sandbox.hq.case_filters import V1_RESERVED, v1_bound
from commcare_sandbox.hq.case_v1 import order, ordered
from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.dates import joined
from commcare_sandbox.hq.programme.cases import shown_v1
from commcare_sandbox.hq.programme.collection import Query, Window
from commcare_sandbox.hq.programme.forms import KINDS, Form
from commcare_sandbox.hq.programme.submission import case_blocks
from commcare_sandbox.hq.tastypie import page
from commcare_sandbox.wire import Answer, RefusalError

Test = Callable[[Form], bool]
DATES = {
    "received_on": "received_on",
    "server_modified_on": "server_modified_on",
    "server_date_modified": "server_modified_on",
    "indexed_on": "indexed_on",
}
_SHARED = {"include_archived", "_search"}


def form_list(context: Context) -> Answer:
    """Answer a page of forms."""
    query = form_query(context)
    by = order(context, DATES, "-received_on")
    forms = context.space.forms
    total = forms.count(query)

    def fetch(offset: int, limit: int) -> list[Form]:
        found = ordered(context, forms, query, by, (offset, limit, total))
        return [shown(context, form) for form in found]

    return page(context, total, fetch)


def form_detail(context: Context) -> Answer:
    """Answer one form, archived or not."""
    form = context.space.forms.get(context.call.captured["id"])
    if form is None:
        raise RefusalError(404)
    return Answer(shown(context, form))


def form_query(context: Context) -> Query[Form]:
    """Read the filters of the form list: what is unknown matches nothing, silently."""
    params = dict(context.call.params)
    windows: list[Window] = []
    tests: list[tuple[str, Test]] = []
    kinds: frozenset[int] | None = None
    of_kind: list[Test] = []
    for name, value in params.items():
        if name in V1_RESERVED or name in _SHARED or name.endswith("__full"):
            continue
        if bound := v1_bound(name, value, DATES):
            windows.append(bound)
        elif name in _KINDS:
            known, test = _KINDS[name](value.lower())
            kinds = known if kinds is None else kinds & known
            of_kind.append(test)
        else:
            tests.append((f"{name}={value}", _test(name, value)))
    if "include_archived" not in params:
        tests.append(("active", _active))
    return Query(
        joined(windows),
        kinds,
        (lambda form: all(test(form) for test in of_kind)) if of_kind else None,
        tuple(test for _, test in tests),
        "&".join(name for name, _ in tests),
    )


def _by_xmlns(wanted: str) -> tuple[frozenset[int], Test]:
    known = frozenset(at for at, kind in enumerate(KINDS) if kind.xmlns.lower() == wanted)
    return known, lambda form: str(form["form"].get("@xmlns", "")).lower() == wanted


def _by_app(wanted: str) -> tuple[frozenset[int], Test]:
    known = frozenset(at for at, kind in enumerate(KINDS) if (kind.app_id or "").lower() == wanted)
    return known, lambda form: (form["app_id"] or "").lower() == wanted


_KINDS = {"xmlns": _by_xmlns, "app_id": _by_app}


def _nothing(_form: Form) -> bool:
    return False


def _active(form: Form) -> bool:
    return not form["archived"]


def _test(name: str, value: str) -> Test:
    if name == "case_id":
        return lambda form: any(
            value in (block.get("@case_id"), block.get("case_id"))
            for block in case_blocks(form["form"])
        )
    return _nothing


def shown(context: Context, form: Form) -> dict[str, Any]:
    """Show a form, its attachments with their addresses."""
    home = f"{context.world.base_url}/a/{form['domain']}/api/form_attachment/v1/{form['id']}"
    attachments = {
        name: {**facts, "url": f"{home}/{name}"} for name, facts in form["attachments"].items()
    }
    answer = {**form, "attachments": attachments}
    if context.call.get("cases__full") == "true":
        ids = {block.get("@case_id") or block.get("case_id") for block in case_blocks(form["form"])}
        cases = [context.space.cases.get(str(case_id)) for case_id in sorted(map(str, ids))]
        answer["cases"] = [shown_v1(case, context.space.name) for case in cases if case]
    return answer
