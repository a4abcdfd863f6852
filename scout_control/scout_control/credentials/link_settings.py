"""What a project's link adds to the settings of a source: what is read, never from where."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from scout_control.errors import SettingsError
from scout_control.meltano.project import STREAMS_SETTING
from scout_control.rules import column_rules, keyless

if TYPE_CHECKING:
    from scout_control.meltano.project import SourceType
    from scout_control.store.models import ProjectSource


def check_link(source_type: SourceType, link: ProjectSource) -> None:
    """Check that a link only selects what is read, even if it was not written by control.

    An address or a file set by a link would send the project's credential elsewhere.

    Raises:
        SettingsError: It sets an address, a file, or a setting that the source type lacks.
    """
    own = (STREAMS_SETTING, *keyless.NAMES, *column_rules.NAMES)
    allowed = {*source_type.settings, *own}.difference(
        source_type.sensitive, source_type.addresses.among(link.sync_config)
    )
    if names := sorted(set(link.sync_config) - allowed):
        source, project = quote(link.source.name), quote(link.project_id)
        raise SettingsError(
            f"The link of the project {link.project_id} to the source {link.source.name} sets "
            f"{', '.join(names)}, but a link may only select what is read.",
            f"Set it at the source (scout sources update {source} --base-url URL or --config "
            "NAME=VALUE), and leave it out here; if the link has it already: "
            f"scout links update {source} --project {project} --unset {quote(names[0])}",
        )
