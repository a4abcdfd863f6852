"""Attachments of forms and cases."""

from __future__ import annotations

from commcare_sandbox.hq.context import Context
from commcare_sandbox.http_types import HTTPError, Response

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
PHOTO = "photo.jpg"
PHOTO_BYTES = 20_000


def form_attachment(context: Context) -> Response:
    """Return an attachment of a form, with the size and content type that the form states."""
    found = context.request.path_params
    form = context.domain.forms.get(found["form"])
    attachment = None if form is None else form["attachments"].get(found["name"])
    if attachment is None:
        raise HTTPError(404, b"<h1>Not Found</h1>")
    return Response(
        _bytes(attachment["content_type"], attachment["length"], found["form"]),
        content_type=attachment["content_type"],
    )


def case_attachment(context: Context) -> Response:
    """Return the photo of a case, its only attachment."""
    found = context.request.path_params
    if context.domain.cases.get(found["case"]) is None or found["name"] != PHOTO:
        raise HTTPError(404, b"<h1>Not Found</h1>")
    return Response(_bytes("image/jpeg", PHOTO_BYTES, found["case"]), content_type="image/jpeg")


def _bytes(content_type: str, length: int, owner: str) -> bytes:
    """Return ``length`` bytes: well-formed XML, or data with the signature of a JPEG."""
    if "xml" not in content_type:
        return (JPEG + owner.encode()).ljust(length, b"\x00")[:length]
    begin, end = f'<?xml version="1.0"?><data instanceID="{owner}">'.encode(), b"</data>"
    return begin + b" " * (length - len(begin) - len(end)) + end
