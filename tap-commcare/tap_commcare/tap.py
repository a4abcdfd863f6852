"""The Singer tap for CommCare HQ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from tap_common import auth, settings
from tap_common.auth import Auth
from tap_common.bookmarks import Bookmarks
from tap_common.client import ApiClient
from tap_common.errors import SettingsError
from tap_common.full_table import TableVersions
from tap_common.session import new_session
from tap_common.stream import ApiStream, declared_in
from tap_common.sync import SyncTask
from tap_common.tap import ApiTap
from typing_extensions import override

from tap_commcare import streams
from tap_commcare.client import to_error
from tap_commcare.filter_checks import FilterChecks
from tap_commcare.settings import AUTH_METHODS, PROPERTIES
from tap_commcare.streams.base import HQStream
from tap_commcare.sync_plan import SyncContext, tasks_for

# What HQ's own URLs accept (legacy_domain_re in corehq/apps/domain/utils.py, read 2026-11-28).
DOMAIN = re.compile(r"[\w.:-]*[\w-][\w.:-]*")


class TapCommCare(ApiTap):
    """Singer tap for CommCare HQ."""

    name = "tap-commcare"
    config_jsonschema: ClassVar[dict[str, Any]] = PROPERTIES.to_dict()
    auth_methods = AUTH_METHODS
    stream_types = declared_in(streams, HQStream)

    @property
    @override
    def domains(self) -> Sequence[str]:
        both = [self.config.get("domain") or "", *settings.text_list(self.config, "domains")]
        return list(dict.fromkeys(domain.strip() for domain in both if domain.strip()))

    @override
    def check_settings(self) -> None:
        super().check_settings()
        if not self.domains:
            raise SettingsError("domain is missing.", "Set the project space to read.")
        if not all(map(DOMAIN.fullmatch, self.domains)):
            raise SettingsError(
                "Invalid domain.",
                "Use the part of the project space's address after /a/, such as river-health.",
            )

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
            versions=TableVersions(bookmarks, self.domains),
            executor=self.executor,
            concurrency=self.concurrency,
            checks=self._checks,
        )
        return [task for domain in self.domains for task in tasks_for(context, domain, streams)]

    @cached_property
    def _checks(self) -> FilterChecks:
        return FilterChecks(self.config, self.domains)

    @override
    def log_findings(self) -> None:
        self._checks.log()

    def _auth(self, base_url: str) -> Auth:
        config = {name: str(value) for name, value in self.config.items()}
        method = settings.chosen_auth_method(self.config, AUTH_METHODS)
        if method == "api_key":
            return auth.api_key_auth(config["username"], config["api_key"])
        if method == "password":
            return auth.basic_auth(config["username"], config["password"])
        if method == "access_token":
            return auth.bearer_auth(config["access_token"])
        return self.refresh_token_auth(f"{base_url}/oauth/token/")
