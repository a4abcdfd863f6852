"""Mobile workers, web users, groups, locations and location types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from commcare_sandbox.hq.context import Context
from commcare_sandbox.hq.data import timestamps
from commcare_sandbox.hq.data.directory import LEVELS
from commcare_sandbox.hq.tastypie import paginated
from commcare_sandbox.http_types import HTTPError, Response, bad_request

Record = dict[str, Any]


def user_list(context: Context) -> Response:
    """Return the active mobile workers, or with ``archived=true`` the deactivated ones."""
    directory = context.domain.directory
    archived = (context.request.get("archived") or "").lower() == "true"
    found = directory.workers(archived=archived)
    group = context.request.get("group")
    if group is not None:
        if group not in directory.group_ids:
            raise bad_request(f"Project {directory.domain} has no group with id={group}")
        found = [worker for worker in found if group in worker["groups"]]
    return paginated(context, [_user(context, worker) for worker in found])


def user_detail(context: Context) -> Response:
    """Return one mobile worker, active or not."""
    directory = context.domain.directory
    everybody = [*directory.workers(archived=False), *directory.workers(archived=True)]
    return Response(_user(context, _requested_user(context, everybody)))


def _user(context: Context, worker: Record) -> Record:
    body = worker | {"resource_uri": context.address("user", worker["id"])}
    if context.request.get("extras") == "true":
        counted = len(worker["first_name"])
        body["extras"] = {
            "submitted_last_30": counted,
            "completed_last_30": 0,
            "submitted_last_month": counted,
            "completed_last_month": 0,
        }
    return body


def web_user_list(context: Context) -> Response:
    """Return the web users."""
    wanted = context.request.get("web_username")
    found = context.domain.directory.web_users()
    kept = [user for user in found if wanted is None or user["username"] == wanted]
    return paginated(context, [_web_user(context, user) for user in kept])


def web_user_detail(context: Context) -> Response:
    """Return one web user."""
    user = _requested_user(context, context.domain.directory.web_users())
    return Response(_web_user(context, user) | {"tableau_groups": []})


def _web_user(context: Context, user: Record) -> Record:
    return user | {"resource_uri": context.address("web-user", user["id"])}


def group_list(context: Context) -> Response:
    """Return the groups."""
    return paginated(context, [_group(context, each) for each in context.domain.directory.groups()])


def group_detail(context: Context) -> Response:
    """Return one group."""
    return Response(_group(context, _requested(context, context.domain.directory.groups(), "id")))


def _group(context: Context, group: Record) -> Record:
    return group | {"resource_uri": context.address("group", group["id"])}


def _requested_user(context: Context, found: list[Record]) -> Record:
    """Return the requested user. For an unknown one HQ returns 400, not 404."""
    try:
        return _requested(context, found, "id")
    except HTTPError:
        wanted = context.request.path_params["id"]
        raise bad_request(f"User with id '{wanted}' does not exist") from None


def _requested(context: Context, found: list[Record], key: str) -> Record:
    wanted = context.request.path_params["id"]
    for each in found:
        if str(each[key]) == wanted:
            return each
    raise HTTPError(404)


def location_list(context: Context) -> Response:
    """Return the locations in the format of version 1, with Django's filters."""
    filterable = (
        "site_code",
        "external_id",
        "created_at",
        "last_modified",
        "latitude",
        "longitude",
    )
    found = _filtered(context, context.domain.directory.locations(), filterable)
    return paginated(context, [_location(context, location) for location in found])


def location_detail(context: Context) -> Response:
    """Return one location in the format of version 1."""
    return Response(
        _location(context, _requested(context, context.domain.directory.locations(), "location_id"))
    )


def _location(context: Context, location: Record) -> Record:
    parent_id = location["parent_id"]
    body = {
        name: value
        for name, value in location.items()
        if name not in ("level", "parent_id", "number")
    }
    return body | {
        "id": location["number"],
        "domain": context.domain.name,
        "location_type": context.address(
            "location_type", str(location["level"] + 1), absolute=True
        ),
        "parent": None
        if parent_id is None
        else context.address("location", parent_id, absolute=True),
        "resource_uri": context.address("location", location["location_id"], absolute=True),
    }


def location_list_v2(context: Context) -> Response:
    """Return the locations in the format of version 2."""
    found = _of_v2(context, context.domain.directory.locations())
    order = context.request.get("order_by") or ""
    if order.removeprefix("-") not in ("", "last_modified"):
        raise bad_request(f"No matching '{order.removeprefix('-')}' field for ordering on.")
    if order:
        found = sorted(found, key=_modified, reverse=order.startswith("-"))
    return paginated(context, [_location_v2(context, location) for location in found], most=5000)


def _of_v2(context: Context, locations: list[Record]) -> list[Record]:
    """Apply the filters of version 2; other parameters are ignored."""
    for name, value in context.request.params:
        field, _, comparison = name.replace("__", ".", 1).partition(".")
        if field in ("last_modified", "name", "site_code"):
            if (comparison or "exact") not in _COMPARISONS:
                raise bad_request(f"'{comparison}' is not a valid type of date range.")
            locations = [each for each in locations if _fits(each[field], field, comparison, value)]
        elif name in _PLACED:
            locations = [each for each in locations if _PLACED[name](each) == value]
    return locations


_PLACED: dict[str, Callable[[Record], str]] = {
    "location_type_code": lambda location: LEVELS[location["level"]][1],
    "parent_location_id": lambda location: location["parent_id"] or "",
}


def _location_v2(context: Context, location: Record) -> Record:
    name, code = LEVELS[location["level"]]
    same = ("location_id", "name", "site_code", "last_modified", "latitude", "longitude")
    return (
        {"domain": context.domain.name}
        | {key: location[key] for key in same}
        | {
            "location_data": location["location_data"],
            "location_type_code": code,
            "location_type_name": name,
            "parent_location_id": location["parent_id"] or "",
        }
    )


def location_type_list(context: Context) -> Response:
    """Return the types of locations."""
    return paginated(context, _location_types(context))


def location_type_detail(context: Context) -> Response:
    """Return one type of location."""
    return Response(_requested(context, _location_types(context), "id"))


def _location_types(context: Context) -> list[Record]:
    return [
        {
            "id": at + 1,
            "domain": context.domain.name,
            "name": name,
            "code": code,
            "parent": context.address("location_type", str(at), absolute=True) if at else None,
            "administrative": at < len(LEVELS) - 1,
            "shares_cases": at == len(LEVELS) - 1,
            "view_descendants": at > 1,
            "resource_uri": context.address("location_type", str(at + 1), absolute=True),
        }
        for at, (name, code) in enumerate(LEVELS)
    ]


def _modified(location: Record) -> int:
    return timestamps.read(location["last_modified"])


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda one, other: one == other,
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
    "in": lambda one, other: one in str(other).split(","),
    "startswith": lambda one, other: str(one).startswith(other),
}
_FIELDS = (
    *("location_id", "name", "site_code", "external_id", "created_at", "last_modified"),
    *("latitude", "longitude", "location_data", "location_type", "parent"),
)
_READERS: dict[str, Callable[[str], Any]] = {
    "created_at": lambda text: timestamps.to_micros(datetime.fromisoformat(text)),
    "last_modified": lambda text: timestamps.to_micros(datetime.fromisoformat(text)),
    "latitude": float,
    "longitude": float,
}


def _filtered(
    context: Context, locations: list[Record], filterable: tuple[str, ...]
) -> list[Record]:
    for name, value in context.request.params:
        field, _, comparison = name.partition("__")
        if field not in _FIELDS:
            continue
        if field not in filterable:
            raise bad_request(f"The '{field}' field does not allow filtering.")
        if (comparison or "exact") not in _COMPARISONS:
            raise bad_request(f"'{comparison}' is not an allowed filter on the '{field}' field.")
        locations = [each for each in locations if _fits(each[field], field, comparison, value)]
    return locations


def _fits(own: Any, field: str, comparison: str, value: str) -> bool:
    if own is None:
        return False
    compare = _COMPARISONS[comparison or "exact"]
    reader = _READERS.get(field, str) if comparison not in ("in", "startswith") else str
    try:
        return compare(reader(own), reader(value))
    except ValueError:
        raise bad_request(f"Invalid resource lookup data provided: '{value}'.") from None
