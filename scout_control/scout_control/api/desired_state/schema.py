"""What a file may say: the schema that is published and that files are validated with."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from scout_control.rules.credential_kinds import (
    ANY_SETTINGS,
    FIELDS_BY_KIND,
    NO_CREDENTIAL,
    OAUTH,
)

ALL = "all"
ANCHORS = "x-"
"""Keys at the top that begin so are ignored: a place for YAML anchors."""
HOURS = {"h": 1, "d": 24, "w": 168}
Name = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^/]+$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Interval = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}[hdw]$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Retention = Annotated[str, StringConstraints(pattern=r"^(forever|[1-9][0-9]{0,6}[hdw])$")]
Columns = dict[Text, list[Text]]
Mode = Literal["project", "user"]
CredentialKind = Literal["api_key", "username_password", "token", "settings", "oauth2"]


class Section(BaseModel):
    """Base of all parts: unknown keys are mistakes, and nothing is converted."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, defer_build=True
    )


def _refuse_literal(value: Any) -> Any:
    if not isinstance(value, dict | SecretReference):
        raise PydanticCustomError(
            "literal_secret",
            "is a secret, which may not stand in a file. Write {env: NAME}, {file: PATH} or "
            "{command: [PROGRAM, ARGUMENT]}.",
        )
    return value


class SecretReference(Section):
    """Where a secret is read from when the file is applied: one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    env: Variable | None = Field(default=None, description="An environment variable.")
    file: Text | None = Field(
        default=None, description="A file, relative to this one; a line end after it is left out."
    )
    command: Annotated[list[Text], Field(min_length=1)] | None = Field(
        default=None,
        description="A program and its arguments, run without a shell; its output is the secret.",
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if sum(each is not None for each in (self.env, self.file, self.command)) != 1:
            raise PydanticCustomError(
                "one_reference", "must be exactly one of: env, file, command."
            )
        return self


Secret = Annotated[SecretReference, BeforeValidator(_refuse_literal)]


class Connection(Section):
    """A database for dataset schemas: ``url``, or ``host``, ``user`` and ``password``."""

    description: str = Field(default="", description="For people.")
    url: Secret | None = Field(
        default=None, description="postgresql://user:password@host:port/database"
    )
    host: Text | None = Field(default=None, description="The server, or its socket's directory.")
    port: int = Field(default=5432, ge=1, le=65535, description="Of the server.")
    database: Text | None = Field(default=None, description="By default named like the user.")
    user: Text | None = Field(default=None, description="The role of control.")
    password: Secret | None = Field(default=None, description="Of that role.")
    sslmode: Text | None = Field(default=None, description="As in libpq, such as verify-full.")
    parameters: dict[Text, Text] = Field(
        default_factory=dict,
        description="Other parameters of the URL, as in libpq: sslrootcert, channel_binding ...",
    )

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        parts = {"host", "port", "database", "user", "password", "sslmode", "parameters"}
        if self.url is not None and (extra := sorted(parts & self.model_fields_set)):
            raise PydanticCustomError(
                "two_forms", f"has a url, which already says: {', '.join(extra)}."
            )
        if self.url is None and (self.host is None or self.user is None or self.password is None):
            raise PydanticCustomError("no_form", "needs url; or host, user and password.")
        return self


class Source(Section):
    """A system that data is read from."""

    type: Text = Field(description="An extractor of meltano.yml, with or without tap-.")
    base_url: Text | None = Field(default=None, description="By default that of the type.")
    config: dict[str, JsonValue] = Field(
        default_factory=dict, description="Settings of the tap, without secrets."
    )
    streams: list[Text] = Field(
        default_factory=list, description="What links read by default; all if empty."
    )
    exclude: Columns = Field(
        default_factory=dict, description="As of a link; links add to what their source says."
    )
    hash: Columns = Field(default_factory=dict, description="As of a link.")
    client_id: Text | None = Field(default=None, description="Of an OAuth application there.")
    client_secret: Secret | None = Field(
        default=None, description="Of that application; stays as it is if left out."
    )


class Link(Section):
    """How a project uses a source."""

    mode: Mode = Field(
        default="project",
        description="One credential of the project, or each user's own credential.",
    )
    interval: Interval = Field(
        default="24h", description="Between scheduled runs: hours (6h), days (2d) or weeks (1w)."
    )
    streams: list[Text] = Field(default_factory=list, description="What to read; all if empty.")
    config: dict[str, JsonValue] = Field(
        default_factory=dict, description="Settings that choose what is read."
    )
    exclude: Columns = Field(
        default_factory=dict,
        description="By stream, paths of columns that must not arrive: cases: [properties.phone].",
    )
    hash: Columns = Field(
        default_factory=dict, description="The same, for columns of which only a hash may arrive."
    )
    keep: Retention | None = Field(
        default=None,
        description="How long unused data is kept: 12h, 30d, 4w or forever; by default as the "
        "installation says. Only with mode project.",
    )
    alias: Text | None = Field(
        default=None,
        description="The schema in which people find what is to be read; stays as it is if left "
        "out. Only with mode project.",
    )
    readers: list[Text] = Field(
        default_factory=list,
        description="Roles of the database that may read the data. Only with mode project.",
    )
    paused: bool | None = Field(
        default=None,
        description="Excluded from the schedule; stays as it is if left out. "
        "Only with mode project.",
    )

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        of_dataset = [self.readers or None, self.paused, self.keep, self.alias]
        if self.mode == "user" and any(each is not None for each in of_dataset):
            raise PydanticCustomError(
                "user_mode",
                "has mode user: alias, readers, paused and keep are set for each user's dataset.",
            )
        return self


class Project(Section):
    """A group of people that shares data."""

    name: Text | None = Field(default=None, description="For people; by default the id.")
    connection: Text = Field(default="default", description="The database of its data.")
    db_schema: Text = Field(default="public", description="Precedes its data in the search path.")
    sources: dict[Name, Link] = Field(
        default_factory=dict, description="The sources it uses, by name."
    )


class Credential(Section):
    """An account at a source, for one project or for many; each keeps its own encrypted record."""

    source: Name | Annotated[list[Name], Field(min_length=1)] = Field(
        description="The source, or several that take the same account."
    )
    projects: Literal["all"] | list[Name] = Field(
        description="Ids of projects; or all: every project of these files that uses the source "
        "with mode project and is not named by another credential for it."
    )
    kind: CredentialKind = Field(
        description="oauth2: a person connects in the browser; apply only says what is missing."
    )
    username: Text | None = Field(default=None, description="Of api_key and username_password.")
    api_key: Secret | None = Field(default=None, description="Of api_key.")
    password: Secret | None = Field(default=None, description="Of username_password.")
    access_token: Secret | None = Field(default=None, description="Of token.")
    settings: dict[Text, Secret] | None = Field(
        default=None, description="Of settings: the secret settings of the tap."
    )

    @property
    def sources(self) -> list[str]:
        """Return the names of the sources."""
        return [self.source] if isinstance(self.source, str) else self.source

    @property
    def given(self) -> dict[str, str | SecretReference]:
        """Return the fields of the credential, by the names that the tap knows."""
        fields = {
            name: getattr(self, name) for name in sorted(_expected(self.kind) - {ANY_SETTINGS})
        }
        return {**fields, **dict(sorted((self.settings or {}).items()))}

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        expected = _expected(self.kind)
        given = {name for name in _all_fields() if getattr(self, name) is not None}
        if missing := sorted(expected - given):
            raise PydanticCustomError(
                "lacks", f"has kind {self.kind} and lacks {', '.join(missing)}."
            )
        if extra := sorted(given - expected):
            raise PydanticCustomError(
                "extra", f"has kind {self.kind}, which has no {', '.join(extra)}."
            )
        return self


def _expected(kind: str) -> set[str]:
    if kind == OAUTH:
        return set()
    return {ANY_SETTINGS} if kind == ANY_SETTINGS else set().union(*FIELDS_BY_KIND[kind])


def _all_fields() -> set[str]:
    return set().union(*map(_expected, FIELDS_BY_KIND.keys() - {NO_CREDENTIAL}))


class DesiredState(Section):
    """All sections are optional, also in each of several files."""

    model_config = ConfigDict(
        title="Desired state of a Scout installation",
        json_schema_extra={"patternProperties": {f"^{ANCHORS}": {}}},
    )

    connections: dict[Text, Connection] = Field(
        default_factory=dict, description="Databases for dataset schemas, by name."
    )
    sources: dict[Name, Source] = Field(
        default_factory=dict, description="Systems that data is read from, by name."
    )
    projects: dict[Name, Project] = Field(
        default_factory=dict, description="Groups of people that share data, by id."
    )
    credentials: list[Credential] = Field(
        default_factory=list, description="Accounts of projects at sources."
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a file."""
    schema = DesiredState.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for each in part.get("properties", {}).values():
            if "patternProperties" in each:  # names, which pydantic leaves open
                each["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
