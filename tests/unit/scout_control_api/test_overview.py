"""The JSON of ``scout status``."""

from __future__ import annotations

from scout_control.api.overview import Status


def test_credentials_are_also_under_their_former_key():
    credentials = [{"source": "hq", "status": "connected"}]
    status = Status(available_sources=[], credentials=credentials, synced_data=[])

    document = status.as_dict()

    assert document["credentials"] == document["connections"] == credentials
    assert set(document) == {"available_sources", "credentials", "connections", "synced_data"}
