"""The settings: one table, from which the light validation and the SDK's JSON schema are both made.

The only reader of configuration files and of the environment.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from target_scout_postgres.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

YES_NO = ("True", "False")
PREFIX = "TARGET_SCOUT_POSTGRES_"
SECRET = {"secret": True, "writeOnly": True}
IN_THE_ENVIRONMENT = ("database_url", "password")  # taken from there even without ENV
JSON_OF_OURS = ("keyless_overrides",)
OF_THE_SDK = (
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is told."""

    database_url: Annotated[
        str | None,
        Meta(
            description="URL of the database, postgresql://user:password@host:port/database. "
            "Instead of it: host, port, user, password, database.",
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
        Meta(description="How TLS is used, as in libpq."),
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
        Meta(description="The dataset schema: everything is written there, nothing elsewhere."),
    ]
    load_method: Annotated[
        Literal["upsert", "append-only", "overwrite"],
        Meta(
            description="upsert: a row per key, the last record wins. append-only: a row per "
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
    hard_delete: Annotated[
        bool,
        Meta(
            description="Remove the rows that an activated version lacks, and those whose record "
            "has _sdc_deleted_at set; false: mark them in _sdc_deleted_at."
        ),
    ] = True
    add_record_metadata: Annotated[bool, Meta(description="Add the _sdc_ columns.")] = False
    batch_size_rows: Annotated[
        int, Meta(description="Rows of one batch at most; 0: no limit.", ge=0)
    ] = 100_000
    batch_size_bytes: Annotated[
        int, Meta(description="Bytes of one batch, about; memory grows with it.", ge=1)
    ] = 4_194_304
    batch_wait_limit_seconds: Annotated[
        float,
        Meta(
            description="Longest wait until received records are committed and their STATE is "
            "printed.",
            ge=0,
        ),
    ] = 3.0
    lock_wait_seconds: Annotated[
        float,
        Meta(
            description="Longest wait for a lock that another session holds on a table; then the "
            "run ends with exit code 1 and names that session.",
            gt=0,
            le=86_400,
        ),
    ] = 60.0
    on_invalid_record: Annotated[
        Literal["fail", "reject"],
        Meta(
            description="What to do with a record that does not fit its schema: fail (exit 65), "
            "or keep it in the table _scout_rejects."
        ),
    ] = "fail"
    schema_evolution: Annotated[
        Literal["evolve", "fail"],
        Meta(description="Whether tables follow their streams' schemas, or a change is an error."),
    ] = "evolve"
    reader_role: Annotated[
        str | None, Meta(description="A role that may read the dataset schema.")
    ] = None
    owner: Annotated[
        str | None,
        Meta(description="Kept in the schema's comment; a schema of another owner is refused."),
    ] = None
    create_schema: Annotated[
        bool, Meta(description="Create the dataset schema when it is missing.")
    ] = True


FIELDS = {field.name: field for field in msgspec.structs.fields(Settings)}
REQUIRED = frozenset(name for name, field in FIELDS.items() if field.required)


def read(sources: Iterable[str], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Merge the configuration files, in order; ``ENV`` stands for the environment's variables."""
    merged: dict[str, Any] = {}
    for source in sources:
        if source == "ENV":
            merged |= from_environment(FIELDS, environment)
            merged |= _json_from_environment(environment)
        else:
            merged |= _file(Path(source))
    known = from_environment(IN_THE_ENVIRONMENT, environment)
    if "host" in merged or "database_url" in merged:
        known.pop("database_url", None)
    return known | merged


def from_environment(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the environment's variables hold."""
    wanted = {name: PREFIX + name.upper() for name in names}
    return {name: environment[key] for name, key in wanted.items() if environment.get(key)}


def _json_from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that are JSON in the environment, or text: the SDK's, and objects."""
    found: dict[str, Any] = from_environment((*JSON_OF_OURS, *OF_THE_SDK), environment)
    for name, text in found.items():
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            found[name] = msgspec.json.decode(text.lower() if text in YES_NO else text)
    return found


def validate(config: Mapping[str, Any]) -> Settings:
    """Return the settings, or say which one is wrong, without its value.

    Raises:
        SettingsError: A setting is missing or wrong.
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
        raise SettingsError(_complaint(str(error))) from None
    if not settings.database_url and not (settings.host and settings.database):
        raise SettingsError(
            "The setting database_url is missing: give it, or host and database (and port, user, "
            "password)."
        )
    _check_schema_name(settings.default_target_schema)
    _check_files(settings)
    return settings


def _check_files(settings: Settings) -> None:
    for name in ("sslrootcert", "sslcert", "sslkey"):
        path = getattr(settings, name)
        if path and path != "system" and not Path(path).is_file():
            raise SettingsError(f"The setting {name} names a file that is not there.")


def _check_schema_name(name: str) -> None:
    is_too_long = len(name.encode("utf-8", "replace")) > 63
    is_the_servers = name.startswith("pg_") or name == "information_schema"
    if is_too_long or is_the_servers or "\x00" in name or name.isspace():
        raise SettingsError(
            "The setting default_target_schema is not a name for a schema of ours: it has 63 bytes "
            "at most, is not blank, does not begin with pg_, and is not information_schema."
        )


def _file(path: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise SettingsError(
            f"The configuration file {path} cannot be read: {error.strerror}."
        ) from None
    except RecursionError:
        raise SettingsError(f"The configuration file {path} is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SettingsError(f"The configuration file {path} is not JSON.") from None
    if not isinstance(found, dict):
        raise SettingsError(f"The configuration file {path} does not hold a JSON object.")
    return found


def _complaint(message: str) -> str:
    """Rewrite the decoder's complaint, which may quote the value."""
    name = re.search(r"`\$\.(\w+)(\[|`)", message)
    setting = name.group(1) if name else "?"
    field = schema()["properties"].get(setting, {})
    choices = field.get("enum") or next(
        (part["enum"] for part in field.get("anyOf", ()) if "enum" in part), None
    )
    if choices:
        return f"The setting {setting} must be one of {', '.join(map(str, choices))}."
    if name and name.group(2) == "[":
        each = field.get("additionalProperties", {}).get("enum", ())
        return f"Each value of the setting {setting} must be one of {', '.join(each)}."
    kinds = [part.get("type") for part in field.get("anyOf", [field]) if part.get("type")]
    wanted = " or ".join(kind for kind in kinds if kind != "null")
    bounds = [f"{word} {field[key]}" for key, word in BOUNDS.items() if key in field]
    return " ".join([f"The setting {setting} must be of type {wanted}", *bounds]).rstrip() + "."


BOUNDS = {"minimum": "from", "maximum": "to"}


def schema() -> dict[str, Any]:
    """Return the JSON schema of the settings, as the SDK shows and checks it."""
    (_,), parts = msgspec.json.schema_components((Settings,))
    properties = parts["Settings"]["properties"]
    for name, part in properties.items():
        properties[name] = {key: value for key, value in part.items() if value is not None}
        if "anyOf" in part:
            kinds = [option for option in part["anyOf"] if option.get("type") != "null"]
            rest = {key: value for key, value in part.items() if key not in ("anyOf", "default")}
            properties[name] = rest | kinds[0]
            properties[name].setdefault("type", "string")
        properties[name].setdefault("type", "string")
    return {"type": "object", "properties": properties, "required": sorted(REQUIRED)}
