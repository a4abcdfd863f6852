"""The Singer tap for CommCare Connect."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from dimagi_api import logins, settings
from dimagi_api.bookmarks import Bookmarks
from dimagi_api.full_table import Versions
from dimagi_api.http import Api, new_session
from dimagi_api.logins import Login
from dimagi_api.stream import ApiStream
from dimagi_api.sync import Reading
from dimagi_api.tap import ApiTap
from typing_extensions import override

from tap_commcare_connect import connect
from tap_commcare_connect.discovery import Discovery, Filters
from tap_commcare_connect.readings import World, readings_of
from tap_commcare_connect.settings import LOGINS, PROPERTIES
from tap_commcare_connect.stream import ConnectStream
from tap_commcare_connect.streams import delivery, field, listed, workers

_ONE_ACCOUNT = ("",)
"""An account is not divided into domains; opportunities are parts of a stream instead."""


class TapCommCareConnect(ApiTap):
    """Singer tap for CommCare Connect."""

    name = "tap-commcare-connect"
    config_jsonschema: ClassVar[dict[str, Any]] = PROPERTIES.to_dict()
    logins = LOGINS
    stream_types = (
        listed.OrganizationsStream,
        listed.ProgramsStream,
        listed.OpportunitiesStream,
        listed.PaymentUnitsStream,
        listed.LearnModulesStream,
        workers.UsersStream,
        delivery.VisitsStream,
        delivery.InvoicesStream,
        delivery.CompletedWorksStream,
        delivery.PaymentsStream,
        workers.AssessmentsStream,
        workers.CompletedModulesStream,
        field.TaskTypesStream,
        field.AssignedTasksStream,
        field.WorkAreaGroupsStream,
        field.WorkAreasStream,
        field.AuditReportsStream,
        field.AuditReportEntriesStream,
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
    def api(self) -> Api:
        base_url = settings.checked_base_url(str(self.config["base_url"]))
        limits = settings.limits(self.config)
        session = new_session(self.concurrency, f"{self.name}/{self.plugin_version}")
        stop, login = self.interruption.stop, self._login(base_url)
        return Api(base_url, login, limits, connect.explain, session, stop, self.concurrency)

    @override
    def readings(self, streams: Sequence[ApiStream], bookmarks: Bookmarks) -> Sequence[Reading]:
        world = World(
            api=self.api,
            config=self.config,
            discovery=self._discovery,
            versions=Versions(bookmarks, self.domains),
            executor=self.executor,
            concurrency=self.concurrency,
        )
        return readings_of(world, [s for s in streams if isinstance(s, ConnectStream)])

    @cached_property
    def _discovery(self) -> Discovery:
        return Discovery(self.api, Filters.of(self.config))

    def _login(self, base_url: str) -> Login:
        config = {name: str(value) for name, value in self.config.items()}
        if settings.chosen_login(self.config, LOGINS) == "access_token":
            return logins.bearer_login(config["access_token"])
        return self.refreshing_login(base_url + connect.TOKEN)
