"""The settings: one table, from which both the validation and the SDK's JSON schema are derived.

The only reader of configuration files.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from target_scout_postgres import logs, setting_checks
from target_scout_postgres.errors import SettingsError
from target_scout_postgres.suggestions import mistyped_variables, with_suggestions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PYTHON_BOOLEANS = ("True", "False")
PREFIX = "TARGET_SCOUT_POSTGRES_"
SECRET = {"secret": True, "writeOnly": True}
ALWAYS_FROM_ENVIRONMENT = ("database_url", "password", "hash_key")  # even without ENV
JSON_SETTINGS = ("keyless_overrides", "exclude_columns", "hash_columns")
# Only the SDK's class implements these: a run that has one of them goes through it.
SDK_SETTINGS = (
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
)


# Settings that other plugins on the Singer SDK have. Configurations are often shared.
OTHER_SETTINGS = (
    "batch_config",
    "emit_activate_version_messages",
    "process_activate_version_messages",
    "use_singer_decimal",
    "validate_records",
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a run."""

    database_url: Annotated[
        str | None,
        Meta(
            description="URL of the database: postgresql://user:password@host:port/database. "
            "Alternatively, set host, port, user, password and database.",
            extra_json_schema=SECRET,
        ),
    ] = None
    host: Annotated[
        str | None, Meta(description="Host name, or directory of the server's unix socket.")
    ] = None
    port: Annotated[int, Meta(description="Port of the server.", ge=1, le=65535)] = 5432
    user: Annotated[str | None, Meta(description="Role to log in as.")] = None
    password: Annotated[
        str | None, Meta(description="Password of the role.", extra_json_schema=SECRET)
    ] = None
    database: Annotated[str | None, Meta(description="Name of the database.")] = None
    sslmode: Annotated[
        Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None,
        Meta(description="TLS mode, as in libpq."),
    ] = None
    sslrootcert: Annotated[
        str | None, Meta(description="File of the certificate authority to trust.")
    ] = None
    sslcert: Annotated[str | None, Meta(description="File of the client certificate.")] = None
    sslkey: Annotated[
        str | None, Meta(description="File of the client certificate's private key.")
    ] = None
    default_target_schema: Annotated[
        str,
        Meta(description="The dataset schema, to which everything is written."),
    ]
    load_method: Annotated[
        Literal["upsert", "append-only", "overwrite"],
        Meta(
            description="upsert: one row per key, the last record wins. append-only: one row per "
            "record. overwrite: the clean end of a run replaces the table."
        ),
    ] = "upsert"
    keyless_streams: Annotated[
        Literal["append", "replace"],
        Meta(
            description="What a run does to a stream that has neither key nor bookmark: append "
            "its records, or replace the table at the clean end of the run."
        ),
    ] = "append"
    keyless_overrides: Annotated[
        dict[str, Literal["append", "replace"]],
        Meta(description="Streams that differ from keyless_streams, each with append or replace."),
    ] = {}
    exclude_columns: Annotated[
        dict[str, list[str]],
        Meta(
            description="By stream, paths of columns and of what is inside them whose values must "
            "not arrive: left out. Names may hold * and ?; ** stands for any depth."
        ),
    ] = {}
    hash_columns: Annotated[
        dict[str, list[str]],
        Meta(description="The same, for values that are replaced by their hash under hash_key."),
    ] = {}
    hash_key: Annotated[
        str | None,
        Meta(
            description="Key of the hashes: under one key, the same value has the same hash.",
            extra_json_schema=SECRET,
        ),
    ] = None
    hard_delete: Annotated[
        bool,
        Meta(
            description="Delete the rows that an activated version lacks, and those whose record "
            "has _sdc_deleted_at; false: mark them in _sdc_deleted_at."
        ),
    ] = True
    add_record_metadata: Annotated[bool, Meta(description="Add the _sdc_ columns.")] = False
    batch_size_rows: Annotated[
        int, Meta(description="Maximum rows of a batch; 0: no limit.", ge=0)
    ] = 100_000
    batch_size_bytes: Annotated[
        int, Meta(description="Approximate maximum bytes of a batch; memory grows with it.", ge=1)
    ] = 4_194_304
    batch_wait_limit_seconds: Annotated[
        float,
        Meta(
            description="Longest time until received records are committed and their STATE is "
            "printed.",
            ge=0,
        ),
    ] = 3.0
    lock_wait_seconds: Annotated[
        float,
        Meta(
            description="Longest wait for a table lock that another session holds; then the run "
            "ends with exit code 1 and names that session.",
            gt=0,
            le=86_400,
        ),
    ] = 60.0
    on_invalid_record: Annotated[
        Literal["fail", "reject"],
        Meta(
            description="fail: an invalid record ends the run with exit code 65. reject: it is "
            "kept in the table _scout_rejects."
        ),
    ] = "fail"
    schema_evolution: Annotated[
        Literal["evolve", "fail"],
        Meta(
            description="evolve: tables follow the schemas of their streams. fail: a necessary "
            "change ends the run."
        ),
    ] = "evolve"
    reader_role: Annotated[
        str | None, Meta(description="A role that may read the dataset schema.")
    ] = None
    owner: Annotated[
        str | None,
        Meta(
            description="Recorded in the schema's comment; a schema of another owner is rejected."
        ),
    ] = None
    create_schema: Annotated[
        bool, Meta(description="Create the dataset schema if it does not exist.")
    ] = True

    @property
    def is_upsert(self) -> bool:
        """Return whether rows are merged by key, and versions are followed."""
        return self.load_method == "upsert"

    @property
    def is_overwrite(self) -> bool:
        """Return whether the clean end of a run replaces each table."""
        return self.load_method == "overwrite"

    def replaces_keyless(self, stream: str) -> bool:
        """Return whether a run replaces the table of a stream with neither key nor bookmark."""
        return self.keyless_for(stream) == "replace"

    def keyless_for(self, stream: str) -> str:
        """Return what a run does with a stream that has neither key nor bookmark."""
        return self.keyless_overrides.get(stream, self.keyless_streams)

    @property
    def keeps_rejects(self) -> bool:
        """Return whether invalid records are kept in _scout_rejects instead of ending the run."""
        return self.on_invalid_record == "reject"


FIELDS = {field.name: field for field in msgspec.structs.fields(Settings)}
REQUIRED = frozenset(name for name, field in FIELDS.items() if field.required)


def read(sources: Iterable[str], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the configuration files merged in order; ``ENV`` stands for environment variables."""
    merged: dict[str, Any] = {}
    for source in sources:
        if source == "ENV":
            merged |= from_environment(FIELDS, environment)
            merged |= _json_from_environment(environment)
        else:
            merged |= _read_file(Path(source))
    defaults = from_environment(ALWAYS_FROM_ENVIRONMENT, environment)
    if "host" in merged or "database_url" in merged:
        defaults.pop("database_url", None)
    return defaults | merged


def from_environment(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings given as environment variables."""
    variables = {name: PREFIX + name.upper() for name in names}
    return {name: environment[key] for name, key in variables.items() if environment.get(key)}


def warn_about_unknown(config: Iterable[str], environment: Iterable[str] = ()) -> None:
    """Warn of settings that are ignored, perhaps because their names are mistyped.

    Meltano's own begin with an underscore, or are parts of an object: ``stream_maps.cases``.
    """
    known = {*FIELDS, *SDK_SETTINGS, *OTHER_SETTINGS}
    unknown = [
        name for name in config if not name.startswith("_") and name.split(".")[0] not in known
    ]
    if unknown:
        logs.notice(f"unknown settings are ignored: {with_suggestions(unknown, known)}")
    for name, meant in mistyped_variables(environment, PREFIX, known).items():
        logs.notice(f"the variable {name} is ignored: did you mean {meant}?")


def _json_from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that are JSON in the environment, or text: the SDK's, and objects."""
    given: dict[str, Any] = from_environment((*JSON_SETTINGS, *SDK_SETTINGS), environment)
    for name, text in given.items():
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            given[name] = msgspec.json.decode(text.lower() if text in PYTHON_BOOLEANS else text)
    return given


def validate(config: Mapping[str, Any]) -> Settings:
    """Return the settings of a configuration.

    Raises:
        SettingsError: A setting is missing or invalid; the message never quotes its value.
    """
    given = {name: value for name, value in config.items() if name in FIELDS and value is not None}
    for name in sorted(REQUIRED):
        if given.get(name) in (None, ""):
            raise SettingsError(
                f"The setting {name} is missing: give it in a file with --config, or as "
                f"{PREFIX}{name.upper()} with --config ENV."
            )
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error))) from None
    if not settings.database_url and not (settings.host and settings.database):
        raise SettingsError(
            "The setting database_url is missing: give it, or host and database (and port, user, "
            "password)."
        )
    setting_checks.check_schema_name(settings.default_target_schema)
    setting_checks.check_column_rules(
        {"exclude_columns": settings.exclude_columns, "hash_columns": settings.hash_columns},
        settings.hash_key,
    )
    files = ("sslrootcert", "sslcert", "sslkey")
    setting_checks.check_files({name: getattr(settings, name) for name in files})
    return settings


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise SettingsError(
            f"The configuration file {path} cannot be read: {error.strerror}."
        ) from None
    except RecursionError:
        raise SettingsError(f"The configuration file {path} is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SettingsError(f"The configuration file {path} is not JSON.") from None
    if not isinstance(content, dict):
        raise SettingsError(f"The configuration file {path} does not hold a JSON object.")
    return content


def _explain(message: str) -> str:
    """Return the decoder's message without the value that it may quote."""
    match = re.search(r"`\$\.(\w+)(\[|`)", message)
    setting = match.group(1) if match else "?"
    field = schema()["properties"].get(setting, {})
    choices = field.get("enum") or next(
        (option["enum"] for option in field.get("anyOf", ()) if "enum" in option), None
    )
    if choices:
        return f"The setting {setting} must be one of {', '.join(map(str, choices))}."
    if match and match.group(2) == "[":
        each = field.get("additionalProperties", {}).get("enum", ())
        allowed = f"one of {', '.join(each)}" if each else "a list of texts"
        return f"Each value of the setting {setting} must be {allowed}."
    types = [option.get("type") for option in field.get("anyOf", [field]) if option.get("type")]
    wanted = " or ".join(type_ for type_ in types if type_ != "null")
    bounds = [f"{word} {field[key]}" for key, word in BOUNDS.items() if key in field]
    return " ".join([f"The setting {setting} must be of type {wanted}", *bounds]).rstrip() + "."


BOUNDS = {"minimum": "from", "exclusiveMinimum": "greater than", "maximum": "to"}


def schema() -> dict[str, Any]:
    """Return the JSON schema of the settings, as the SDK shows and checks it."""
    (_,), components = msgspec.json.schema_components((Settings,))
    properties = components["Settings"]["properties"]
    for name, field in properties.items():
        properties[name] = {key: value for key, value in field.items() if value is not None}
        if "anyOf" in field:
            options = [option for option in field["anyOf"] if option.get("type") != "null"]
            rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
            properties[name] = rest | options[0]
        properties[name].setdefault("type", "string")
    return {"type": "object", "properties": properties, "required": sorted(REQUIRED)}


def run_id(environment: Mapping[str, str] = os.environ) -> str:
    """Return the id of this run: control's, Meltano's, or a new one."""
    given = environment.get("SCOUT_RUN_ID") or environment.get("MELTANO_RUN_ID")
    if given:
        return given
    import uuid  # start-up: the command reads its settings before it needs this

    return str(uuid.uuid4())
