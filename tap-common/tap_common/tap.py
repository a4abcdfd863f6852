"""A tap on a Dimagi API: settings, one login, and readings instead of the SDK's sync loop.

A subclass says which streams there are and how they are read.
"""

from __future__ import annotations

import abc
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from jsonschema import Draft202012Validator, ValidationError
from singer_sdk import Tap
from singer_sdk.cli._decorator import plugin_cli
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import (
    CapabilitiesEnum,
    PluginCapabilities,
    TapCapabilities,
)
from typing_extensions import override

from tap_common import settings, timestamps
from tap_common.auth import Auth, RefreshTokenAuth
from tap_common.bookmarks import Bookmarks
from tap_common.cli import TapCommand
from tap_common.client import ApiClient, new_session
from tap_common.credential_file import CredentialFile
from tap_common.errors import InterruptedRunError, SettingsError
from tap_common.messages import AnyRecord, BufferedWriter, Output, flush
from tap_common.omissions import OMISSIONS
from tap_common.signals import SignalHandler
from tap_common.stream import ApiStream
from tap_common.sync import Run, SyncTask, report, run_tasks
from tap_common.token_endpoint import token_exchange

log = logging.getLogger(__name__)


class ApiTap(Tap, abc.ABC):
    """What the taps on Dimagi's APIs share."""

    message_writer_class = BufferedWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    logins: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The settings of each way to log in."""

    stream_types: ClassVar[Sequence[type[ApiStream]]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.interruption = SignalHandler()
        self.exit_code = 0
        super().__init__(*args, **kwargs)

    @property
    @abc.abstractmethod
    def domains(self) -> Sequence[str]:
        """Return what the streams are partitioned by."""

    @cached_property
    @abc.abstractmethod
    def api(self) -> ApiClient:
        """Return the one client of this run."""

    @abc.abstractmethod
    def readings(self, streams: Sequence[ApiStream], bookmarks: Bookmarks) -> Sequence[SyncTask]:
        """Return what has to be read for these streams."""

    def check_settings(self) -> None:
        """Raise SettingsError for what a JSON schema cannot see."""
        settings.check_values(self.config)
        settings.checked_base_url(str(self.config["base_url"]))
        settings.chosen_auth_method(self.config, self.logins)
        start_date = self.config.get("start_date")
        if start_date is not None and timestamps.normalise(start_date) is None:
            raise SettingsError("start_date is no date.", "Give one such as 2025-01-31.")

    @override
    def discover_streams(self) -> Sequence[ApiStream]:
        return [stream_type(self) for stream_type in self.stream_types]

    @override
    def setup_mapper(self) -> None:
        """Set up the maps of a catalog that the streams have corrected."""
        _ = self.streams
        super().setup_mapper()

    @property
    def concurrency(self) -> int:
        """Return how many requests may be in flight."""
        return max(int(self.config.get("concurrency") or 1), 1)

    @cached_property
    def executor(self) -> ThreadPoolExecutor | None:
        """Return what makes requests at the same time; None makes one after the other."""
        if self.concurrency == 1:
            return None
        return ThreadPoolExecutor(self.concurrency, thread_name_prefix="request")

    def refresh_token_auth(self, token_url: str) -> Auth:
        """Return the login that spends the refresh token of the settings.

        Raises:
            SettingsError: The credential file cannot be read.
        """
        config = {name: str(value) for name, value in self.config.items()}
        exchange = token_exchange(
            token_url,
            {name: config[name] for name in ("client_id", "client_secret") if name in config},
            settings.limits(self.config),
            new_session(1, f"{self.name}/{self.plugin_version}"),
            self.interruption.stop,
        )
        path = config.get("credential_file")
        file = CredentialFile(Path(path).expanduser()) if path else None
        return RefreshTokenAuth(config["refresh_token"], exchange, file, config.get("access_token"))

    def sync_all(self) -> None:  # type: ignore[misc]  # final there: its loop reads records
        """Read all selected streams, page by page."""
        known = self.input_catalog
        selected = [
            stream
            for stream in self._api_streams
            if stream.selected and (known is None or known.get_stream(stream.name) is not None)
        ]
        bookmarks = Bookmarks(self.state, self.domains)  # type: ignore[arg-type]
        output = Output(self.interruption)
        run = Run(output, bookmarks, self.concurrency)
        self.exit_code = 1
        OMISSIONS.begin(is_strict=bool(self.config["strict"]))
        if self.state:  # as in every tap of the SDK: the target sees what was read before
            output.write_state(self.state)
        try:
            run_tasks(run, self.readings(selected, bookmarks))
        except InterruptedRunError:
            # A page that is being written comes to its end, and no other begins.
            output.lock.acquire()
            raise
        finally:
            self.api.login.finish()
        output.write_state(self.state)
        others = [s.name for s in self._api_streams if s not in selected]
        self.exit_code = report(run, others)

    def run_connection_test(self) -> bool:  # type: ignore[misc]  # final there: stops at a failure
        """Read one record of each stream; tell whether all could be read."""
        bookmarks = Bookmarks({}, self.domains)
        run = Run(Output(self.interruption), bookmarks, self.concurrency)
        OMISSIONS.begin(is_strict=bool(self.config["strict"]))
        run_tasks(run, [_SampleTask(r) for r in self.readings(self._api_streams, run.bookmarks)])
        self.exit_code = report(run, [])
        return self.exit_code == 0

    def sample(self, stream: ApiStream, limit: int) -> Iterator[AnyRecord]:
        """Yield a few records of one stream."""
        for reading in self.readings([stream], Bookmarks({}, self.domains)):
            yield from reading.sample(limit).get(stream.name, ())

    @property
    def _api_streams(self) -> list[ApiStream]:
        return [stream for stream in self.streams.values() if isinstance(stream, ApiStream)]

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - the SDK's decorator passes the class
        """Return the settings of the environment, where all are texts."""
        schema: dict[str, Any] = {"properties": dict(cls.config_jsonschema["properties"])}
        cls.append_builtin_config(schema)
        texts = {"properties": {name: {"type": "string"} for name in schema["properties"]}}
        found = parse_environment_config(texts, cls._env_var_prefix)
        return settings.typed(settings.without_blanks(found), schema["properties"])

    @override
    def _setup_signal_handlers(self) -> None:
        """Leave signals alone: only a command owns its process."""

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings without quoting their values, as the SDK would."""
        self._config = self._completed(self._config)
        schema = dict(self.config_jsonschema)
        self.append_builtin_config(schema)
        found = Draft202012Validator(schema).iter_errors(self._config)
        errors = [_complaint(error) for error in found]
        if not errors:
            try:
                self.check_settings()
            except SettingsError as error:
                errors = [str(error)]
        if errors and raise_errors:
            raise ConfigValidationError("Wrong settings", errors=errors, schema=schema)
        return errors

    def _completed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings without blanks, with secrets of the environment and defaults.

        Secrets may come by the environment alone, so that nobody has to write them to a file.
        """
        known = settings.without_blanks(config)
        for name, schema in self.config_jsonschema["properties"].items():
            if name not in known and schema.get("secret"):
                value = os.environ.get(f"{self._env_var_prefix}{name.upper()}", "").strip()
                if value:
                    known[name] = value
            if name not in known and "default" in schema:
                known[name] = schema["default"]
        return known

    @plugin_cli
    def cli(cls) -> TapCommand:  # noqa: N805 - the SDK's decorator passes the class
        """Return the command line of this tap."""
        return TapCommand.of(cls)  # type: ignore[arg-type]


class _SampleTask:
    """A reading of which only one record of each stream is taken."""

    def __init__(self, reading: SyncTask) -> None:
        self._reading = reading
        self.domain = reading.domain
        self.streams = reading.streams

    def run(self, run: Run) -> None:
        """Write one record of each stream."""
        for stream in self.streams:
            run.begin(stream)
        samples = self._reading.sample(1)
        pages = [(s, list(samples.get(s.name, ()))[:1]) for s in self.streams]
        run.write_page(self, pages, lambda: None)
        flush()

    def sample(self, limit: int) -> Mapping[str, Sequence[AnyRecord]]:
        """Return what the reading would."""
        return {name: list(rows) for name, rows in self._reading.sample(limit).items()}


# What a rule of JSON schema asks for, in words.
RULES = {
    "type": "must be of type {}",
    "minimum": "must be at least {}",
    "exclusiveMinimum": "must be more than {}",
    "maximum": "must be at most {}",
    "enum": "must be one of {}",
}


def _complaint(error: ValidationError) -> str:
    """Say which setting is wrong, and how, without its value."""
    name = ".".join(str(part) for part in error.absolute_path) or "A setting"
    wanted = error.validator_value
    if isinstance(wanted, list):
        wanted = " or ".join(str(each) for each in wanted if each not in (None, "null"))
    rule = RULES.get(str(error.validator), "does not fit its schema")
    return f"{name} {rule.format(wanted)}."
