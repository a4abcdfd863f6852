"""The SDK's class: --about and --help, stream maps and flattening, the SDK's test suites.

Every message goes through the same engine as in a plain run.
"""

from __future__ import annotations

import collections
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Target
from singer_sdk.exceptions import (
    ConfigValidationError,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.io_base import SingerReader
from singer_sdk.singerlib import SingerMessageType

from target_scout_postgres import logs, settings
from target_scout_postgres.errors import (
    DataError,
    MissingKeyError,
    MissingSchemaError,
    SettingsError,
    TargetError,
)
from target_scout_postgres.loading.engine import Engine
from target_scout_postgres.runner import run_target
from target_scout_postgres.singer.stream_maps import StreamMapper

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from target_scout_postgres.singer.messages import LineMapper

CHUNK_LINES = 10_000

# What callers of the SDK expect to catch.
SDK_ERRORS: dict[type[DataError], type[Exception]] = {
    MissingSchemaError: RecordsWithoutSchemaException,
    MissingKeyError: MissingKeyPropertiesError,
}


class EngineReader(SingerReader):
    """Passes all lines to the engine instead of decoding them one by one."""

    target: TargetScoutPostgres

    def process_lines(
        self,
        file_input: IO[str] | None,
        callbacks: Any,
    ) -> collections.Counter[str]:
        """Process all lines of a text file, or of stdin."""
        del callbacks  # the engine has its own handlers
        count = self.target.process_text(file_input or sys.stdin)
        return collections.Counter({SingerMessageType.RECORD.value: count})


class TargetScoutPostgres(Target):
    """Singer target that loads any stream into one dataset schema of Postgres."""

    name = "target-scout-postgres"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.schema()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.TARGET_SCHEMA,
        TargetCapabilities.HARD_DELETE,
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._engine: Engine | None = None
        reader = EngineReader()
        reader.target = self
        self.message_reader = reader

    def _setup_signal_handlers(self) -> None:
        """Leave signals to `runner`: nothing may be committed inside a handler."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings as a plain run does: the SDK's messages quote values."""
        try:
            settings.validate(self._config)
        except SettingsError as error:
            if raise_errors:
                raise
            return [str(error)]
        return []

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings of stream maps and flattening, not those without effect here."""
        own = set(config_jsonschema["properties"])
        super().append_builtin_config(config_jsonschema)
        for name in set(config_jsonschema["properties"]) - own - set(settings.SDK_SETTINGS):
            config_jsonschema["properties"].pop(name)

    def process_text(self, lines: Iterable[str]) -> int:
        """Process lines of text; return how many."""
        count = 0
        engine = self._started_engine()
        try:
            waiting: list[bytes] = []
            for line in lines:
                waiting.append(line.rstrip("\n").encode("utf-8", "surrogatepass"))
                count += 1
                if len(waiting) >= CHUNK_LINES:
                    engine.process_lines(waiting)
                    engine.checkpoint_if_due(is_idle=False)
                    waiting = []
            engine.process_lines(waiting)
        except TargetError as error:
            self._engine = None
            engine.abandon()
            error_type = SDK_ERRORS.get(type(error), type(error))  # type: ignore[arg-type]  # other types have no entry
            raise error_type(str(error)) from None
        return count

    def line_mapper(self) -> LineMapper | None:
        """Return what applies stream maps and flattening; None if neither is configured."""
        mapper = StreamMapper(self.mapper)
        return mapper if mapper.is_active else None

    def process_endofpipe(self) -> None:
        """End the run cleanly."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            engine.finish()

    def _started_engine(self) -> Engine:
        if self._engine is None:
            self._engine = Engine(settings.validate(self.config), _print, self.line_mapper())
            try:
                self._engine.start()
            except TargetError:
                engine, self._engine = self._engine, None
                engine.abandon()
                raise
        return self._engine

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK does so itself
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target as a process, with the signals and exit codes of a plain run."""
        if about:
            super().invoke(about=about, about_format=about_format)
            return
        given = dict(config.config) if config else {}
        if config and config.parse_env:
            given = settings.read(["ENV"]) | given
        given = settings.read([]) | given
        settings.warn_about_unknown(given, os.environ if config and config.parse_env else ())
        if not isinstance(given.get("stream_maps") or {}, dict):
            raise SettingsError("The setting stream_maps must be an object.")
        try:
            mapper = cls(config=given).line_mapper()
        except ConfigValidationError as error:
            raise SettingsError(" ".join(error.errors)) from None
        source = file_input.fileno() if file_input else 0
        sys.exit(run_target(settings.validate(given), source, mapper))


class EscapedLogRecord(logging.LogRecord):
    """A log record of the SDK with control characters escaped, for every formatter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        message = self.getMessage()
        if logs.CONTROL_CHARACTERS.search(message):
            self.msg, self.args = logs.escape(message), ()


def _print(text: bytes) -> None:
    sys.stdout.write(text.decode())
    sys.stdout.flush()


def command(arguments: Sequence[str]) -> int:
    """Run the SDK's command; return its exit code, which is 2 for wrong usage."""
    logging.setLogRecordFactory(EscapedLogRecord)
    try:
        code = TargetScoutPostgres.cli.main(
            args=list(arguments), prog_name="target-scout-postgres", standalone_mode=False
        )
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        logs.error(error.format_message())
        return error.exit_code
    except SystemExit as ended:
        code = ended.code
        return code if isinstance(code, int) else 1
    return code if isinstance(code, int) else 0  # without standalone mode click returns the code
