"""The kinds of login that there are, and the fields of each."""

from __future__ import annotations

OAUTH = "oauth2"
ANY_SETTINGS = "settings"
NO_LOGIN = "none"
# Fields of each kind of login; those in the second place are secrets.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    OAUTH: ((), ("access_token", "refresh_token")),
    "api_key": (("username",), ("api_key",)),
    "username_password": (("username",), ("password",)),
    "token": ((), ("access_token",)),
    ANY_SETTINGS: ((), ()),
    NO_LOGIN: ((), ()),
}
