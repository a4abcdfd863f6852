"""Base class of the taps: settings, auth, and sync tasks instead of the SDK's sync loop.

A subclass declares its streams and the tasks that read them.
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

from tap_common import notices, settings, timestamps
from tap_common.auth import Auth, RefreshTokenAuth
from tap_common.bookmarks import Bookmarks
from tap_common.cli import TapCommand
from tap_common.client import ApiClient
from tap_common.credential_file import CredentialFile
from tap_common.errors import InterruptedRunError, SettingsError, StreamStatus, UnavailableError
from tap_common.messages import AnyRecord, BufferedWriter, Output, flush
from tap_common.omissions import OMISSIONS
from tap_common.session import new_session
from tap_common.signals import SignalHandler
from tap_common.stream import ApiStream
from tap_common.suggestions import (
    SDK_SETTINGS,
    mistyped_variables,
    unknown_settings,
    with_suggestions,
)
from tap_common.sync import WHOLE_RUN, SyncRun, SyncTask, log_result, run_tasks
from tap_common.token_endpoint import token_exchange

log = logging.getLogger(__name__)


class ApiTap(Tap, abc.ABC):
    """Base class of the taps on Dimagi's APIs."""

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
    auth_methods: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The settings that each method of authentication needs."""

    stream_types: ClassVar[Sequence[type[ApiStream]]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.signals = SignalHandler()
        self.exit_code = 0
        super().__init__(*args, **kwargs)

    @property
    @abc.abstractmethod
    def domains(self) -> Sequence[str]:
        """The domains that the streams are partitioned by."""

    @cached_property
    @abc.abstractmethod
    def client(self) -> ApiClient:
        """The HTTP client of this run."""

    @abc.abstractmethod
    def sync_tasks(self, streams: Sequence[ApiStream], bookmarks: Bookmarks) -> Sequence[SyncTask]:
        """Return the tasks that read these streams."""

    def check_settings(self) -> None:
        """Raise SettingsError for what a JSON schema cannot express."""
        settings.check_values(self.config)
        settings.checked_base_url(str(self.config["base_url"]))
        settings.chosen_auth_method(self.config, self.auth_methods)
        start_date = self.config.get("start_date")
        if start_date is not None and timestamps.normalise(start_date) is None:
            raise SettingsError("start_date is not a date.", "Use a format such as 2025-01-31.")

    @override
    def discover_streams(self) -> Sequence[ApiStream]:
        return [stream_type(self) for stream_type in self.stream_types]

    @override
    def setup_mapper(self) -> None:
        """Set up the stream maps, after the streams have corrected the catalog."""
        _ = self.streams
        super().setup_mapper()

    @property
    def concurrency(self) -> int:
        """How many requests may be in flight."""
        return max(int(self.config.get("concurrency") or 1), 1)

    @cached_property
    def executor(self) -> ThreadPoolExecutor | None:
        """Runs requests at the same time; None if they are sequential."""
        if self.concurrency == 1:
            return None
        return ThreadPoolExecutor(self.concurrency, thread_name_prefix="request")

    def refresh_token_auth(self, token_url: str) -> Auth:
        """Return the auth that exchanges the refresh token of the settings.

        Raises:
            SettingsError: The credential file cannot be read.
        """
        config = {name: str(value) for name, value in self.config.items()}
        exchange = token_exchange(
            token_url,
            {name: config[name] for name in ("client_id", "client_secret") if name in config},
            settings.limits(self.config),
            new_session(1, f"{self.name}/{self.plugin_version}"),
            self.signals.stop,
        )
        path = config.get("credential_file")
        file = CredentialFile(Path(path).expanduser()) if path else None
        return RefreshTokenAuth(config["refresh_token"], exchange, file, config.get("access_token"))

    def sync_all(self) -> None:  # type: ignore[misc]  # final in the SDK: its loop reads record by record
        """Read all selected streams, page by page."""
        catalog = self.input_catalog
        self._warn_about_unknown_streams()
        selected = [
            stream
            for stream in self._api_streams
            if stream.selected and (catalog is None or catalog.get_stream(stream.name) is not None)
        ]
        bookmarks = Bookmarks(self.state, self.domains)  # type: ignore[arg-type]
        output = Output(self.signals)
        run = SyncRun(output, bookmarks, self.concurrency)
        self.exit_code = 1
        OMISSIONS.reset(is_strict=bool(self.config["strict"]))
        if self.state:  # as all SDK taps do: a run that reads nothing must not lose the state
            output.write_state(self.state)
        try:
            run_tasks(run, self.sync_tasks(selected, bookmarks))
        except InterruptedRunError:
            # Wait for the page that another thread is writing, and let no other begin.
            output.lock.acquire()
            raise
        finally:
            self.client.auth.warn_if_lost()
        output.write_state(self.state)
        self.log_findings()
        others = [s.name for s in self._api_streams if s not in selected]
        self.exit_code = log_result(run, others)

    def log_findings(self) -> None:
        """Log what a run found out about its settings."""

    def _warn_about_unknown_streams(self) -> None:
        """Warn of catalog entries that are ignored, perhaps because their names are mistyped."""
        catalog = self.input_catalog
        if unknown := sorted(set(catalog or ()).difference(self.streams)):
            names = with_suggestions(unknown, self.streams)
            notices.warn(log, "Streams that %s does not have are ignored: %s", self.name, names)

    def run_connection_test(self) -> bool:  # type: ignore[misc]  # final in the SDK: it stops at the first failure
        """Read one record of each stream; return whether all could be read."""
        bookmarks = Bookmarks({}, self.domains)
        run = SyncRun(Output(self.signals), bookmarks, self.concurrency)
        OMISSIONS.reset(is_strict=bool(self.config["strict"]))
        run_tasks(run, [_SampleTask(t) for t in self.sync_tasks(self._api_streams, run.bookmarks)])
        self.exit_code = log_result(run, [])
        return self.exit_code == 0

    def sample(self, stream: ApiStream, limit: int) -> Iterator[AnyRecord]:
        """Yield a few records of one stream."""
        for task in self.sync_tasks([stream], Bookmarks({}, self.domains)):
            yield from task.sample(limit).get(stream.name, ())

    @property
    def _api_streams(self) -> list[ApiStream]:
        return [stream for stream in self.streams.values() if isinstance(stream, ApiStream)]

    @classmethod
    def _schema_with_builtins(cls) -> dict[str, Any]:
        # Copied, since the SDK adds its own settings to the properties that it is given.
        properties = dict(cls.config_jsonschema["properties"])
        schema: dict[str, Any] = {**cls.config_jsonschema, "properties": properties}
        cls.append_builtin_config(schema)
        return schema

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:
        """Return the settings in the environment, converted from text to their types."""
        schema = cls._schema_with_builtins()
        known = SDK_SETTINGS.union(schema["properties"])
        for name, meant in mistyped_variables(os.environ, cls._env_var_prefix, known).items():
            notices.warn(log, "The variable %s is ignored: did you mean %s?", name, meant)
        texts = {"properties": {name: {"type": "string"} for name in schema["properties"]}}
        found = parse_environment_config(texts, cls._env_var_prefix)
        return settings.convert_texts(settings.without_blanks(found), schema["properties"])

    @override
    def _setup_signal_handlers(self) -> None:
        """Install no signal handlers: only the command line may handle signals of the process."""

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings; unlike the SDK's, messages do not quote values."""
        schema = self._schema_with_builtins()
        if unknown := unknown_settings(self._config, schema["properties"]):
            names = with_suggestions(unknown, schema["properties"])
            notices.warn(log, "Settings that %s does not have are ignored: %s", self.name, names)
        self._config = self._with_defaults(self._config)
        found = Draft202012Validator(schema).iter_errors(self._config)
        errors = [_message_for(error) for error in found]
        if not errors:
            try:
                self.check_settings()
            except SettingsError as error:
                errors = [str(error)]
        if errors and raise_errors:
            raise ConfigValidationError("Invalid settings", errors=errors, schema=schema)
        return errors

    def _with_defaults(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings without blanks, with secrets from the environment and defaults.

        Secrets are always looked up in the environment, so that no file has to contain them.
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
    def cli(cls) -> TapCommand:
        """Return the command line of this tap."""
        return TapCommand.of(cls)  # type: ignore[arg-type]


class _SampleTask:
    """Reads only one record of each stream of a task."""

    def __init__(self, task: SyncTask) -> None:
        self._task = task
        self.domain = task.domain
        self.streams = task.streams

    def run(self, run: SyncRun) -> None:
        """Write one record of each stream."""
        for stream in self.streams:
            run.begin(stream)
        try:
            samples = self._task.sample(1)
        except UnavailableError as error:
            # The server itself fails: each other stream would be retried for as long, in vain.
            if all(each.status is not StreamStatus.COMPLETED for each in run.outcomes.values()):
                run.failures.setdefault(WHOLE_RUN, error)
            raise
        pages = [(s, list(samples.get(s.name, ()))[:1]) for s in self.streams]
        run.write_page(self, pages, lambda: None)
        flush()

    def sample(self, limit: int) -> Mapping[str, Sequence[AnyRecord]]:
        """Return the sample of the task."""
        return {name: list(rows) for name, rows in self._task.sample(limit).items()}


# What each keyword of JSON schema requires; follows the setting's name in a message.
RULES = {
    "type": "must be of type {}",
    "minimum": "must be at least {}",
    "exclusiveMinimum": "must be more than {}",
    "maximum": "must be at most {}",
    "enum": "must be one of {}",
}


def _message_for(error: ValidationError) -> str:
    """Return which setting is wrong, and how, without its value."""
    name = ".".join(str(part) for part in error.absolute_path) or "A setting"
    required = error.validator_value
    if isinstance(required, list):
        required = " or ".join(str(each) for each in required if each not in (None, "null"))
    rule = RULES.get(str(error.validator), "does not fit its schema")
    return f"{name} {rule.format(required)}."
