"""The Singer tap for CommCare Connect."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from tap_common import auth, settings
from tap_common.auth import Auth
from tap_common.bookmarks import Bookmarks
from tap_common.client import ApiClient
from tap_common.full_table import TableVersions
from tap_common.session import new_session
from tap_common.stream import ApiStream, declared_in
from tap_common.sync import SyncTask
from tap_common.tap import ApiTap
from typing_extensions import override

from tap_commcare_connect import streams
from tap_commcare_connect.account_index import AccountIndexLoader, Filters
from tap_commcare_connect.client import OAUTH_PATH, to_error
from tap_commcare_connect.settings import AUTH_METHODS, PROPERTIES
from tap_commcare_connect.streams.base import ConnectStream
from tap_commcare_connect.sync_plan import SyncContext, tasks_for

_NO_DOMAINS = ("",)
"""An account has no domains; opportunities are parts of a stream instead."""


class TapCommCareConnect(ApiTap):
    """Singer tap for CommCare Connect."""

    name = "tap-commcare-connect"
    config_jsonschema: ClassVar[dict[str, Any]] = PROPERTIES.to_dict()
    auth_methods = AUTH_METHODS
    stream_types = declared_in(streams, ConnectStream)

    @property
    @override
    def domains(self) -> Sequence[str]:
        return _NO_DOMAINS

    @override
    def check_settings(self) -> None:
        super().check_settings()
        Filters.of(self.config)

    @cached_property
    @override
    def client(self) -> ApiClient:
        base_url = settings.checked_base_url(str(self.config["base_url"]))
        return ApiClient(
            base_url=base_url,
            auth=self._auth(base_url),
            limits=settings.limits(self.config),
            to_error=to_error,
            session=new_session(self.concurrency, f"{self.name}/{self.plugin_version}"),
            stop=self.signals.stop,
            in_flight=self.concurrency,
        )

    @override
    def sync_tasks(self, streams: Sequence[ApiStream], bookmarks: Bookmarks) -> Sequence[SyncTask]:
        context = SyncContext(
            client=self.client,
            config=self.config,
            account=self._account,
            versions=TableVersions(bookmarks, self.domains),
            executor=self.executor,
            concurrency=self.concurrency,
        )
        return tasks_for(context, [s for s in streams if isinstance(s, ConnectStream)])

    @cached_property
    def _account(self) -> AccountIndexLoader:
        return AccountIndexLoader(self.client, Filters.of(self.config))

    def _auth(self, base_url: str) -> Auth:
        config = {name: str(value) for name, value in self.config.items()}
        if settings.chosen_auth_method(self.config, AUTH_METHODS) == "access_token":
            return auth.bearer_auth(config["access_token"])
        return self.refresh_token_auth(base_url + OAUTH_PATH)
