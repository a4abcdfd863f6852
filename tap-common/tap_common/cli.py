"""The command line of a tap: the SDK's options, our exit codes, and no traceback.

It must not know any API.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec
from singer_sdk._logging import _setup_console_logging
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.plugin_base import _ConfigInput, _plugin_log_level
from singer_sdk.singerlib import Catalog
from typing_extensions import override

from tap_common.errors import (
    ApiError,
    InternalError,
    InterruptedRunError,
    OutputClosedError,
    SettingsError,
)
from tap_common.json_decoder import replace_surrogates
from tap_common.malloc import limit_malloc_retention
from tap_common.messages import flush

if TYPE_CHECKING:
    from tap_common.tap import ApiTap

log = logging.getLogger(__name__)

ANY = json.JSONDecoder()
QUIET_LIBRARIES = ("urllib3", "requests")
# What a terminal would obey, and what hides or reverses text: names and reasons come from servers.
UNSAFE_CHARACTERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


class TapCommand(click.Command):
    """Runs a tap and ends the process with the exit code that the contract gives it."""

    @classmethod
    def of(cls, tap: type[ApiTap]) -> TapCommand:
        """Return the command line of a tap."""
        for name in (f"{tap.name.upper().replace('-', '_')}_LOGLEVEL", "LOGLEVEL"):
            if os.environ.get(name, "INFO").upper() not in logging.getLevelNamesMapping():
                del os.environ[name]  # no level: the SDK would fail on it
        _setup_console_logging(log_level=_plugin_log_level(plugin_name=tap.name))
        for handler in logging.getLogger().handlers:
            handler.addFilter(escape_control_characters)
        for library in QUIET_LIBRARIES:
            # Their debug lines quote URLs, whose queries hold cursors.
            logging.getLogger(library).setLevel(logging.WARNING)
        command = cls(name=tap.name, params=_options(), callback=_callback(tap))
        command.help = "Execute the Singer tap."
        return command

    @override
    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run, and leave at once: a request in flight has nothing more to say."""
        code = _code_of(lambda: super(TapCommand, self).main(*args, **kwargs))
        try:
            flush()
        except OutputClosedError:
            # Python would flush again while it ends, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = code or 1
        if threading.active_count() > 1:
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def escape_control_characters(record: logging.LogRecord) -> bool:
    """Let a record pass with what a terminal would obey spelled out."""
    text = record.getMessage()
    record.msg, record.args = UNSAFE_CHARACTERS.sub(lambda found: repr(found[0])[1:-1], text), ()
    return True


def _code_of(run: Callable[[], Any]) -> int:
    try:
        run()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except InterruptedRunError as error:
        log.warning("event=interrupted exit_code=%d", error.exit_code)
        return error.exit_code
    except ApiError as error:
        log.error("%s", error)  # noqa: TRY400 - no traceback reaches a user
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: a line instead of a traceback, which may quote data
        log.error("%s", InternalError(error))  # noqa: TRY400 - see above
        return InternalError.exit_code
    return 0


def _options() -> list[click.Parameter]:
    return [
        click.Option(["--version"], is_flag=True, help="Show the version."),
        click.Option(["--about"], is_flag=True, help="Show settings and capabilities."),
        click.Option(
            ["--format", "about_format"],
            type=click.Choice(["json", "markdown"], case_sensitive=False),
            help="How --about shows them.",
        ),
        click.Option(
            ["--config"],
            multiple=True,
            metavar="FILE|ENV",
            help="Settings: a JSON file, or ENV for environment variables. May be repeated.",
        ),
        click.Option(["--discover"], is_flag=True, help="Write the catalog."),
        click.Option(
            ["--test"],
            is_flag=False,
            flag_value="all",
            type=click.Choice(["all", "schema"]),
            help="Read one record of each stream; with =schema, write only the schemas.",
        ),
        click.Option(["--catalog"], metavar="FILE", help="Which streams and properties to read."),
        click.Option(["--state"], metavar="FILE", help="Where the last run ended."),
    ]


class _Metadata(msgspec.Struct):
    breadcrumb: list[str]
    metadata: dict[str, Any]


class _Entry(msgspec.Struct):
    tap_stream_id: str
    schema: dict[str, Any] = {}
    metadata: list[_Metadata] | None = None
    stream: str | None = None
    key_properties: list[str] | None = None


class _Catalog(msgspec.Struct):
    """What is needed of a Singer catalog; the SDK reads it without a look at its shape."""

    streams: list[_Entry]


def _callback(tap: type[ApiTap]) -> Callable[..., None]:
    def run(**options: Any) -> None:
        if options["version"]:
            tap.print_version(print_fn=click.echo)
        elif options["about"]:
            tap.print_about(options["about_format"])
        else:
            _execute(tap, options)

    return run


def _execute(tap_type: type[ApiTap], options: dict[str, Any]) -> None:
    is_discovery = bool(options["discover"])
    config = _settings(options["config"])
    has_settings = bool(config.config) or config.parse_env
    catalog = _catalog(options["catalog"])
    try:
        tap = tap_type(
            config=config.config,
            parse_env_config=config.parse_env,
            validate_config=has_settings or not is_discovery,
            catalog=None if is_discovery else catalog,
            state=_state(options["state"]),
            setup_mapper=not is_discovery,
        )
    except ConfigValidationError as error:
        for complaint in error.errors:
            log.error("%s", complaint)  # noqa: TRY400 - no traceback reaches a user
        raise SystemExit(SettingsError.exit_code) from None
    except MappingError as error:
        raise SettingsError(f"stream_maps cannot be used: {error}") from None
    limit_malloc_retention()
    tap.interruption.listen()
    _act(tap, is_discovery=is_discovery, test=options["test"])
    raise SystemExit(tap.exit_code)


def _act(tap: ApiTap, *, is_discovery: bool, test: str | None) -> None:
    if is_discovery:
        tap.run_discovery()
    elif test == "schema":
        tap.write_schemas()
    elif test == "all":
        tap.run_connection_test()
    else:
        tap.sync_all()


def _settings(paths: tuple[str, ...]) -> _ConfigInput:
    merged: dict[str, Any] = {}
    for path in paths:
        if path != "ENV":
            merged |= _json_file("--config", path) or {}
    return _ConfigInput(config=merged, parse_env="ENV" in paths)


def _state(path: str | None) -> dict[str, Any] | None:
    """Return the state of a file: bare, inside its message, or none if the file is blank."""
    if path is not None and Path(path).is_file() and not Path(path).read_bytes().strip():
        return None
    state = _json_file("--state", path, OF_STATES)
    if state is not None and state.get("type") == "STATE":
        state = state.get("value") or {}
    bookmarks = {} if state is None else state.get("bookmarks", {})
    if not isinstance(bookmarks, dict) or not all(isinstance(e, dict) for e in bookmarks.values()):
        raise SettingsError(f"--state: {path} holds no Singer state.")
    return state


def _catalog(path: str | None) -> dict[str, Any] | None:
    catalog = _json_file("--catalog", path)
    if catalog is not None:
        try:
            msgspec.convert(catalog, _Catalog)
            Catalog.from_dict(copy.deepcopy(catalog))
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
            raise SettingsError(f"--catalog: {path} holds no Singer catalog.") from None
    return catalog


def _of_64_bits(text: str) -> int | float | None:
    """Return a number of a state, which is written again; null if that is not possible."""
    number = float(text)
    if not -(2.0**63) < number < 2.0**63:
        return None
    return int(text) if text.lstrip("-").isdigit() else number


OF_STATES = json.JSONDecoder(
    parse_int=_of_64_bits, parse_float=_of_64_bits, parse_constant=lambda _: None
)


def _json_file(
    option: str, path: str | None, decoder: json.JSONDecoder = ANY
) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        value = replace_surrogates(decoder.decode(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(f"{option}: {path} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise SettingsError(f"{option}: {path} is nested too deeply.") from None
    except ValueError:
        raise SettingsError(f"{option}: {path} holds no JSON.") from None
    if not isinstance(value, dict):
        raise SettingsError(f"{option}: {path} holds no JSON object.")
    return value
