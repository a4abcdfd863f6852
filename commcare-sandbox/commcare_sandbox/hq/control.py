"""Control actions of HQ: change records, revoke tokens, dump the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from commcare_sandbox.hq.context import HQ, Context
from commcare_sandbox.hq.data.cases import to_v2
from commcare_sandbox.hq.data.collection import Query
from commcare_sandbox.hq.data.domain import Domain
from commcare_sandbox.hq.form_v1 import to_json
from commcare_sandbox.http_types import Request

Body = dict[str, Any]


class UnknownDomainError(Exception):
    """The domain does not exist."""


def _domain(name: str | None, hq: HQ) -> Domain:
    if not name:
        return hq.first_domain
    if name not in hq.domains:
        raise UnknownDomainError(f"Unknown domain {name!r}. Known: {', '.join(hq.domains)}.")
    return hq.domains[name]


def status(hq: HQ) -> Body:
    """Return the number of records of each domain, and the valid refresh token."""
    for domain in hq.domains.values():
        domain.reveal_due(hq.request_log.total)
    return {
        "domains": {name: domain.total() for name, domain in hq.domains.items()},
        "refresh_token": hq.credentials.refresh_token,
    }


def content(kind: str, request: Request, hq: HQ) -> Iterator[bytes]:
    """Return every case or form as the API shows it, one JSON object per line."""
    domain = _domain(request.get("domain"), hq)
    domain.reveal_due(hq.request_log.total)
    context = Context(request, hq, domain)
    records: Iterator[Any]
    if kind == "cases":
        records = (to_v2(case, domain.name) for case in domain.cases.all(Query()))
    else:
        records = (to_json(context, form) for form in domain.forms.all(Query()))
    return (msgspec.json.encode(record) + b"\n" for record in records)


def apply_late(hq: HQ) -> None:
    """Hide records as the ``late_*`` switches ask, once."""
    switches = hq.switches
    if not switches.late_every:
        return
    until = switches.late_requests and hq.request_log.total + switches.late_requests
    for domain in hq.domains.values():
        domain.hide(switches.late_every, switches.late_seconds, until)
    switches.late_every = 0


def _submit_form(body: Body, hq: HQ) -> Body:
    domain = _domain(body.pop("domain", None), hq)
    count = int(body.pop("count", 1))
    return {"form_ids": [domain.submit_form(dict(body))["id"] for _ in range(count)]}


def _each(
    kind: str,
    some: Callable[[Domain, int], list[str]],
    change: Callable[[Domain, str, Body], object],
) -> Callable[[Body, HQ], Body]:
    def handle(body: Body, hq: HQ) -> Body:
        domain = _domain(body.pop("domain", None), hq)
        count, wanted = int(body.pop("count", 1)), body.pop(f"{kind}_id", None)
        ids = some(domain, count) if wanted is None else [str(wanted)]
        for each in ids:
            change(domain, each, body)
        return {f"{kind}_ids": ids}

    return handle


def _each_case(change: Callable[[Domain, str, Body], object]) -> Callable[[Body, HQ], Body]:
    return _each("case", Domain.some_cases, change)


def _each_form(change: Callable[[Domain, str, Body], object]) -> Callable[[Body, HQ], Body]:
    return _each("form", Domain.some_forms, change)


def _edit_case(domain: Domain, case_id: str, body: Body) -> None:
    domain.edit_case(case_id, body or {"properties": {"edited": "yes"}})


def _reindex(body: Body, hq: HQ) -> Body:
    _domain(body.get("domain"), hq).reindex()
    return {}


def _people(act: Callable[[Domain, str], object], kind: str) -> Callable[[Body, HQ], Body]:
    def handle(body: Body, hq: HQ) -> Body:
        act(_domain(body.get("domain"), hq), str(body[kind]))
        return {kind: body[kind]}

    return handle


def _end_access_tokens(_body: Body, hq: HQ) -> Body:
    hq.credentials.end_access_tokens()
    return {}


def _end_refresh_token(_body: Body, hq: HQ) -> Body:
    hq.credentials.end_refresh_token()
    return {}


ACTIONS: dict[tuple[str, str], Callable[[Body, HQ], Body]] = {
    ("POST", "submit-form"): _submit_form,
    ("POST", "edit-form"): _each_form(Domain.edit_form),
    ("POST", "archive-form"): _each_form(lambda domain, each, _: domain.archive_form(each)),
    ("POST", "unarchive-form"): _each_form(
        lambda domain, each, _: domain.archive_form(each, archived=False)
    ),
    ("POST", "delete-form"): _each_form(lambda domain, each, _: domain.delete_form(each)),
    ("POST", "edit-case"): _each_case(_edit_case),
    ("POST", "delete-case"): _each_case(lambda domain, each, _: domain.delete_case(each)),
    ("POST", "reindex"): _reindex,
    ("POST", "deactivate-user"): _people(
        lambda domain, each: domain.directory.deactivate(each), "user_id"
    ),
    ("POST", "archive-location"): _people(
        lambda domain, each: domain.directory.archive_location(each), "location_id"
    ),
    ("POST", "expire-access-tokens"): _end_access_tokens,
    ("POST", "kill-refresh-token"): _end_refresh_token,
}
