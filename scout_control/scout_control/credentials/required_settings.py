"""Which required settings neither a source nor its link has, and the command that gives them."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from scout_control.errors import SettingsError
from scout_control.rules.credential_kinds import FIELDS_BY_KIND

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from scout_control.credentials.records import Owner
    from scout_control.meltano.project import SourceType
    from scout_control.store.models import ProjectSource, Source


def missing_groups(source_type: SourceType, names: AbstractSet[str]) -> list[list[str]]:
    """Return the groups of settings of which one would complete these; none if they are complete.

    What a credential supplies is not missing: an account is connected later.
    """
    of_credential = {field for kind in FIELDS_BY_KIND.values() for part in kind for field in part}
    of_credential |= {source_type.fields.get(name, name) for name in of_credential}
    supplied = of_credential.union(
        names, source_type.preset, source_type.sensitive, ("client_id", "client_secret")
    )
    groups = [sorted(group - supplied) for group in source_type.required]
    return groups if all(groups) else []


def find_missing(source_type: SourceType, names: AbstractSet[str]) -> str | None:
    """Return what a source with these settings lacks, as text; None if it is complete."""
    return _as_text(missing_groups(source_type, names)) or None


def link_error(
    source_type: SourceType,
    source: Source,
    settings: Iterable[str],
    project: str | None,
    *,
    new_mode: str | None = None,
) -> SettingsError | None:
    """Return the error for settings with which nothing can be read, or None.

    Args:
        source_type: The type of the source.
        source: The source.
        settings: The names of all settings, of the source and of the link.
        project: The project of the link; None if it is unknown.
        new_mode: The mode of the link that is to be made; None if there is one, or no project.
    """
    groups = missing_groups(source_type, frozenset(settings))
    if not groups:
        return None
    words = " ".join(f"-c {quote(name)}=VALUE" for name in groups[0])
    if project is None:
        where, command = "", f"scout sources update {quote(source.name)} {words}"
    else:
        where = f" nor its link to the project {project}"
        name, owner = quote(source.name), quote(project)
        command = (
            f"scout links add {name} --project {owner} --mode {new_mode} {words}"
            if new_mode
            else f"scout links update {name} --project {owner} {words}"
        )
    has = f"neither the source {source.name}{where} has" if where else f"{source.name} lacks"
    return SettingsError(
        f"{source_type.name} requires the setting {_as_text(groups)}, which {has}.",
        f"Give it ({command}).",
    )


def error_for_owner(
    source_type: SourceType,
    source: Source,
    settings: Iterable[str],
    owner: Owner,
    link: ProjectSource | None,
) -> SettingsError | None:
    """Return the error for settings with which an account cannot be tested, or None."""
    project = link.project_id if link is not None else owner.project_id
    new_mode = "project" if link is None and project else None
    return link_error(source_type, source, settings, project, new_mode=new_mode)


def _as_text(groups: Iterable[Iterable[str]]) -> str:
    return " or ".join(dict.fromkeys(" and ".join(group) for group in groups))
