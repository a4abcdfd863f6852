"""The kinds of credentials and their fields."""

from __future__ import annotations

OAUTH = "oauth2"
ANY_SETTINGS = "settings"
NO_CREDENTIAL = "none"
# (public fields, secret fields)
FIELDS_BY_KIND: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    OAUTH: ((), ("access_token", "refresh_token")),
    "api_key": (("username",), ("api_key",)),
    "username_password": (("username",), ("password",)),
    "token": ((), ("access_token",)),
    ANY_SETTINGS: ((), ()),
    NO_CREDENTIAL: ((), ()),
}
