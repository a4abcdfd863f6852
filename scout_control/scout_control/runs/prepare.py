"""Collects the inputs of a run: settings of the source, credential of the owner, schema."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING

from scout_control.credentials import records, renewal
from scout_control.credentials.link_settings import check_link
from scout_control.datasets import hash_keys
from scout_control.errors import CONNECT, ConflictError, SettingsError
from scout_control.installation import secret_context
from scout_control.meltano import workdir
from scout_control.meltano.process import Pipeline
from scout_control.meltano.project import STREAMS_SETTING, as_text
from scout_control.meltano.workdir import CREDENTIAL_DIRECTORY
from scout_control.rules import column_rules, keyless
from scout_control.rules.expiry import needs_renewal
from scout_control.rules.suggestions import did_you_mean
from scout_control.rules.unlinked import link_command
from scout_control.store import audit, lookups, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from scout_control.credentials.records import RunCredential
    from scout_control.datasets.provision import ProvisionedSchema
    from scout_control.installation.installation import Installation
    from scout_control.meltano.project import SourceType
    from scout_control.store.models import Dataset, Run

LOADER = "TARGET_SCOUT_POSTGRES_"
# At level debug, Meltano logs what taps print: the records, before the loader leaves values out.
WITHOUT_RECORDS = {"MELTANO_CLI_LOG_LEVEL": "info"}
CREDENTIAL = "credential.json"
"""The file in which a tap leaves a token that it rotated."""
ORIGIN = "origin"
"""The file in which control leaves the digest of the token that the tap was given."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """The inputs of a run, complete before any process is started."""

    source_type: SourceType
    credential: RunCredential
    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    hash_key: str | None = field(repr=False)
    """The key under which the loader hashes columns, if it hashes any."""
    credential_folder: Path | None
    """Only for a credential whose tokens rotate."""

    @property
    def credential_file(self) -> Path | None:
        """Return the file in which the tap leaves a token that it rotated."""
        return self.credential_folder / CREDENTIAL if self.credential_folder else None


@contextmanager
def prepared(installation: Installation, run: Run) -> Iterator[Preparation]:
    """Collect the inputs of a run, before anything is started or created in a database.

    Raises:
        ControlError: A credential, a setting or a program is missing.
    """
    dataset = run.dataset
    if not dataset.project_source.is_active:
        raise unlinked(dataset)
    source_type = installation.plugins.source_type(dataset.project_source.source.source_type)
    for block in source_type.blocks:
        installation.plugins.program(block.partition(":")[0])
    # A tap without this setting cannot renew its token, which would then expire during a long run.
    if records.CREDENTIAL_FILE not in source_type.settings:
        _renew_token(installation, dataset)
    with installation.store.begin() as session:
        credential = records.credential_for(session, installation.keyring, dataset, source_type)
        if credential.credential_id is not None:
            names = audit.of_dataset(dataset) | {"run": str(run.id)}
            given = {"kind": credential.kind, "processes": [source_type.name]}
            audit.record(session, "used", "credential", credential.credential_id, **names, **given)
        known = metadata.streams(session, dataset)
    settings = source_settings(source_type, dataset, source_type.streams or known)
    link = dataset.project_source
    hash_key = None
    if column_rules.needs_key(link.source.config, link.sync_config):
        hash_key = hash_keys.ensure(installation, dataset.id)
    with ExitStack() as stack:
        folder = None
        # A rotated token exists only in this file until the heartbeat has stored it. The folder is
        # in memory where possible, and named so that ``recovery`` finds it after a kill.
        if credential.rotates:
            prefix = f"{CREDENTIAL_DIRECTORY}{run.id}-"
            folder = stack.enter_context(workdir.directory(prefix))
            # For a tap that does not write it itself, if it is killed.
            (folder / ORIGIN).write_text(credential.origin or "")
            variable = source_type.variable(records.CREDENTIAL_FILE)
            settings[variable] = str(folder / CREDENTIAL)
        yield Preparation(
            source_type=source_type,
            credential=credential,
            settings=settings,
            secrets={
                source_type.variable(name): value for name, value in credential.fields.items()
            },
            hash_key=hash_key,
            credential_folder=folder,
        )


def unlinked(dataset: Dataset) -> ConflictError:
    """Return the error for a dataset whose source is no longer linked to its project."""
    link = dataset.project_source
    return ConflictError(
        f"The source of {lookups.path(dataset)} is no longer linked to the project.",
        f"Link it again: {link_command(link.project_id, link.source.name)}",
    )


def _renew_token(installation: Installation, dataset: Dataset) -> None:
    """Renew a token that expires soon, for a tap that cannot renew it itself."""
    owner = records.Owner.of(dataset)
    source_id = dataset.project_source.source_id
    with installation.store.begin() as session:
        found = lookups.credential(session, source_id, owner.project_id, owner.user_id)
    if found is not None and needs_renewal(found.token_expires_at, datetime.now(UTC)):
        renewal.renew(installation.store, installation.keyring, installation.plugins, found.id)


def source_settings(
    source_type: SourceType, dataset: Dataset, known: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return the settings of a source as environment variables; the link overrides the source.

    Raises:
        SettingsError: The link selects a stream that the source does not have.
    """
    link = dataset.project_source
    check_link(source_type, link)
    of_source, of_link = secret_context.tap_settings(link.source, source_type), {**link.sync_config}
    rules = column_rules.pop_loader_settings(of_source, of_link)
    config = {**of_source, **of_link}
    streams = config.pop(STREAMS_SETTING, None)
    of_loader = rules | keyless.pop_loader_settings(config)
    settings = {source_type.variable(name): as_text(value) for name, value in config.items()}
    settings |= {f"{LOADER}{name.upper()}": value for name, value in of_loader.items()}
    if rules:
        settings |= WITHOUT_RECORDS
    if streams:
        if error := unknown_streams(dataset, known):
            raise error
        variable = source_type.variable("_select")
        settings[variable] = json.dumps([f"{stream}.*" for stream in streams])
    return settings


def unknown_streams(dataset: Dataset, known: AbstractSet[str]) -> SettingsError | None:
    """Return the error for selected streams that the source does not have, or None."""
    link = dataset.project_source
    streams = {**link.source.config, **link.sync_config}.get(STREAMS_SETTING) or ()
    unknown = sorted(set(streams) - known)
    if not known or not unknown:
        return None
    source, project = link.source.name, link.project_id
    suggestion = did_you_mean(unknown, known)
    return SettingsError(
        f"The source {source} has no stream {', '.join(unknown)}; "
        f"it has {', '.join(sorted(known))}.",
        f"{suggestion} Name its streams: scout links update {quote(source)} "
        f"--project {quote(project)} --stream NAME".lstrip(),
    )


def pipeline(
    installation: Installation,
    run: Run,
    preparation: Preparation,
    place: ProvisionedSchema,
    log_file: Path | None = None,
) -> Pipeline:
    """Return the pipeline of a run, as Meltano starts it."""
    schema, url = place.schema, place.url(installation.server_url_of(run.dataset))
    return Pipeline(
        project_root=installation.settings.project_root,
        blocks=preparation.source_type.blocks,
        dataset_schema=schema,
        database_uri=installation.state_url,
        settings={
            **preparation.settings,
            f"{LOADER}DEFAULT_TARGET_SCHEMA": schema,
            f"{LOADER}OWNER": place.owner,
            f"{LOADER}READER_ROLE": place.reader,
            # Control owns the schema: a writer could give its own one to another owner.
            f"{LOADER}CREATE_SCHEMA": "false",
        },
        secrets={
            **preparation.secrets,
            f"{LOADER}DATABASE_URL": url,
            **({f"{LOADER}HASH_KEY": preparation.hash_key} if preparation.hash_key else {}),
        },
        database_url=url,
        project_id=run.dataset.project_source.project_id,
        dbt_target=_dbt_target(installation, schema),
        log_file=log_file,
        reconnect=_reconnect(run.dataset),
    )


def _reconnect(dataset: Dataset) -> str:
    source, owner = dataset.project_source.source.name, records.Owner.of(dataset)
    return f"{CONNECT} {quote(source)} {owner}"


def _dbt_target(installation: Installation, schema: str) -> Path:
    target = installation.dbt_folder(schema)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    return target
