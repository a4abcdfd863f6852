"""The SDK's door: settings, --about and --help, stream maps and flattening, the SDK's test suites.

Every message still goes through the engine that a plain run uses.
"""

from __future__ import annotations

import collections
import logging
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
from target_scout_postgres.runner import load
from target_scout_postgres.singer.stream_maps import Translator

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from target_scout_postgres.singer.messages import Translation

FED_LINES = 10_000  # so many lines are taken together

# What the SDK's callers expect to catch.
AS_THE_SDK_SAYS: dict[type[DataError], type[Exception]] = {
    MissingSchemaError: RecordsWithoutSchemaException,
    MissingKeyError: MissingKeyPropertiesError,
}


class EngineReader(SingerReader):
    """Hands all lines to the engine instead of decoding them one by one."""

    target: TargetScoutPostgres

    def process_lines(
        self,
        file_input: IO[str] | None,
        callbacks: Any,  # noqa: ARG002 - the engine has its own
    ) -> collections.Counter[str]:
        """Take all lines of a text file, or of stdin."""
        count = self.target.take(file_input or sys.stdin)
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
        """Leave signals to the run: nothing is drained inside a handler."""

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings as a plain run does: the SDK's complaint quotes values."""
        try:
            settings.validate(self._config)
        except SettingsError as error:
            if raise_errors:
                raise
            return [str(error)]
        return []

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings of stream maps and flattening, not those that have no use here."""
        ours = set(config_jsonschema["properties"])
        super().append_builtin_config(config_jsonschema)
        for name in set(config_jsonschema["properties"]) - ours - set(settings.OF_THE_SDK):
            config_jsonschema["properties"].pop(name)

    def take(self, lines: Iterable[str]) -> int:
        """Feed lines of text to the engine; return how many."""
        count = 0
        engine = self._started()
        try:
            waiting: list[bytes] = []
            for line in lines:
                waiting.append(line.rstrip("\n").encode("utf-8", "surrogatepass"))
                count += 1
                if len(waiting) >= FED_LINES:
                    engine.feed(waiting)
                    engine.keep_time(is_waiting=False)
                    waiting = []
            engine.feed(waiting)
        except TargetError as error:
            self._engine = None
            engine.abandon()
            raise AS_THE_SDK_SAYS.get(type(error), type(error))(str(error)) from None  # type: ignore[arg-type]  # of DataError only
        return count

    def translation(self) -> Translation | None:
        """Return what applies stream maps and flattening, if there are any."""
        translator = Translator(self.mapper)
        return translator if translator.is_asked else None

    def process_endofpipe(self) -> None:
        """End the run cleanly."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            engine.finish()

    def _started(self) -> Engine:
        if self._engine is None:
            self._engine = Engine(settings.validate(self.config), _print, self.translation())
            try:
                self._engine.start()
            except TargetError:
                engine, self._engine = self._engine, None
                engine.abandon()
                raise
        return self._engine

    @classmethod
    def invoke(  # type: ignore[override]  # as the SDK does itself
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target as a process: signals and exit codes as in a plain run."""
        if about:
            super().invoke(about=about, about_format=about_format)
            return
        found = dict(config.config) if config else {}
        if config and config.parse_env:
            found = settings.read(["ENV"]) | found
        found = settings.read([]) | found
        if not isinstance(found.get("stream_maps") or {}, dict):
            raise SettingsError("The setting stream_maps must be an object.")
        try:
            target = cls(config=found)
            translation = target.translation()
        except ConfigValidationError as error:
            raise SettingsError(" ".join(error.errors)) from None
        source = file_input.fileno() if file_input else 0
        sys.exit(load(settings.validate(found), source, translation))


class SpelledOutRecord(logging.LogRecord):
    """A log record of the SDK with terminal control characters escaped, for every formatter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        message = self.getMessage()
        if logs.OBEYED.search(message):
            self.msg, self.args = logs.spelled_out(message), ()


def _print(text: bytes) -> None:
    sys.stdout.write(text.decode())
    sys.stdout.flush()


def command(arguments: Sequence[str]) -> int:
    """Run the SDK's command; return its exit code. Wrong usage is 2, as click has it."""
    logging.setLogRecordFactory(SpelledOutRecord)
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
    return code if isinstance(code, int) else 0  # click hands over how the SDK wanted to exit
