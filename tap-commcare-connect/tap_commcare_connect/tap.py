"""The Singer tap for CommCare Connect."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from tap_common import auth, settings
from tap_common.auth import Auth
from tap_common.bookmarks import Bookmarks
from tap_common.client import ApiClient, new_session
from tap_common.full_table import TableVersions
from tap_common.stream import ApiStream
from tap_common.sync import SyncTask
from tap_common.tap import ApiTap
from typing_extensions import override

from tap_commcare_connect import client
from tap_commcare_connect.account_index import AccountIndexCache, Filters
from tap_commcare_connect.settings import AUTH_METHODS, PROPERTIES
from tap_commcare_connect.streams import delivery, opportunities, tasks_and_areas, workers
from tap_commcare_connect.streams.base import ConnectStream
from tap_commcare_connect.sync_plan import SyncContext, tasks_for

_ONE_ACCOUNT = ("",)
"""An account is not divided into domains; opportunities are parts of a stream instead."""


class TapCommCareConnect(ApiTap):
    """Singer tap for CommCare Connect."""

    name = "tap-commcare-connect"
    config_jsonschema: ClassVar[dict[str, Any]] = PROPERTIES.to_dict()
    logins = AUTH_METHODS
    stream_types = (
        opportunities.OrganizationsStream,
        opportunities.ProgramsStream,
        opportunities.OpportunitiesStream,
        opportunities.PaymentUnitsStream,
        opportunities.LearnModulesStream,
        workers.UsersStream,
        delivery.VisitsStream,
        delivery.InvoicesStream,
        delivery.CompletedWorksStream,
        delivery.PaymentsStream,
        workers.AssessmentsStream,
        workers.CompletedModulesStream,
        tasks_and_areas.TaskTypesStream,
        tasks_and_areas.AssignedTasksStream,
        tasks_and_areas.WorkAreaGroupsStream,
        tasks_and_areas.WorkAreasStream,
        tasks_and_areas.AuditReportsStream,
        tasks_and_areas.AuditReportEntriesStream,
    )

    @property
    @override
    def domains(self) -> Sequence[str]:
        return _ONE_ACCOUNT

    @override
    def check_settings(self) -> None:
        super().check_settings()
        Filters.of(self.config)

    @cached_property
    @override
    def api(self) -> ApiClient:
        base_url = settings.checked_base_url(str(self.config["base_url"]))
        limits = settings.limits(self.config)
        session = new_session(self.concurrency, f"{self.name}/{self.plugin_version}")
        stop, login = self.interruption.stop, self._login(base_url)
        return ApiClient(base_url, login, limits, client.explain, session, stop, self.concurrency)

    @override
    def readings(self, streams: Sequence[ApiStream], bookmarks: Bookmarks) -> Sequence[SyncTask]:
        world = SyncContext(
            api=self.api,
            config=self.config,
            discovery=self._discovery,
            versions=TableVersions(bookmarks, self.domains),
            executor=self.executor,
            concurrency=self.concurrency,
        )
        return tasks_for(world, [s for s in streams if isinstance(s, ConnectStream)])

    @cached_property
    def _discovery(self) -> AccountIndexCache:
        return AccountIndexCache(self.api, Filters.of(self.config))

    def _login(self, base_url: str) -> Auth:
        config = {name: str(value) for name, value in self.config.items()}
        if settings.chosen_auth_method(self.config, AUTH_METHODS) == "access_token":
            return auth.bearer_auth(config["access_token"])
        return self.refresh_token_auth(base_url + client.TOKEN_PATH)
