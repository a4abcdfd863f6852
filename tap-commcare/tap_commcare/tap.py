"""The Singer tap for CommCare HQ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from tap_common import auth, settings
from tap_common.auth import Auth
from tap_common.bookmarks import Bookmarks
from tap_common.client import ApiClient, new_session
from tap_common.errors import SettingsError
from tap_common.full_table import TableVersions
from tap_common.stream import ApiStream
from tap_common.sync import SyncTask
from tap_common.tap import ApiTap
from typing_extensions import override

from tap_commcare import client
from tap_commcare.settings import AUTH_METHODS, PROPERTIES
from tap_commcare.streams.applications import (
    ApplicationsStream,
    CaseTypesStream,
    FormDefinitionsStream,
    FormQuestionsStream,
)
from tap_commcare.streams.cases import CasesStream
from tap_commcare.streams.forms import FormCasesStream, FormsStream
from tap_commcare.streams.locations import LocationsStream, LocationTypesStream
from tap_commcare.streams.lookup_tables import (
    LookupTableRowsStream,
    LookupTablesStream,
    ReportRowsStream,
    UcrRowsStream,
)
from tap_commcare.streams.users import GroupsStream, UsersStream, WebUsersStream
from tap_commcare.sync_plan import SyncContext, tasks_for

NOT_IN_DOMAINS = re.compile(r"[\s/\\?#%:@]|^\.+$")


class TapCommCare(ApiTap):
    """Singer tap for CommCare HQ."""

    name = "tap-commcare"
    config_jsonschema: ClassVar[dict[str, Any]] = PROPERTIES.to_dict()
    logins = AUTH_METHODS
    stream_types = (
        CasesStream,
        FormsStream,
        FormCasesStream,
        UsersStream,
        WebUsersStream,
        GroupsStream,
        LocationsStream,
        LocationTypesStream,
        ApplicationsStream,
        CaseTypesStream,
        FormDefinitionsStream,
        FormQuestionsStream,
        LookupTablesStream,
        LookupTableRowsStream,
        ReportRowsStream,
        UcrRowsStream,
    )

    @property
    @override
    def domains(self) -> Sequence[str]:
        both = [self.config.get("domain") or "", *settings.text_list(self.config, "domains")]
        return list(dict.fromkeys(domain.strip() for domain in both if domain.strip()))

    @override
    def check_settings(self) -> None:
        super().check_settings()
        if not self.domains:
            raise SettingsError("domain is missing.", "Name the project space to read.")
        if any(NOT_IN_DOMAINS.search(domain) for domain in self.domains):
            raise SettingsError(
                "domain is no name of a project space.",
                "Give the part of its address behind /a/, such as river-health.",
            )

    @cached_property
    @override
    def api(self) -> ApiClient:
        base_url = settings.checked_base_url(str(self.config["base_url"]))
        limits = settings.limits(self.config)
        session = new_session(self.concurrency, f"{self.name}/{self.plugin_version}")
        stop = self.interruption.stop
        return ApiClient(
            base_url, self._login(base_url), limits, client.explain, session, stop, self.concurrency
        )

    @override
    def readings(self, streams: Sequence[ApiStream], bookmarks: Bookmarks) -> Sequence[SyncTask]:
        world = SyncContext(
            api=self.api,
            config=self.config,
            versions=TableVersions(bookmarks, self.domains),
            executor=self.executor,
            concurrency=self.concurrency,
        )
        return [r for domain in self.domains for r in tasks_for(world, domain, streams)]

    def _login(self, base_url: str) -> Auth:
        config = {name: str(value) for name, value in self.config.items()}
        chosen = settings.chosen_auth_method(self.config, AUTH_METHODS)
        if chosen == "api_key":
            return auth.api_key_auth(config["username"], config["api_key"])
        if chosen == "password":
            return auth.basic_auth(config["username"], config["password"])
        if chosen == "access_token":
            return auth.bearer_auth(config["access_token"])
        return self.refresh_token_auth(f"{base_url}/oauth/token/")
