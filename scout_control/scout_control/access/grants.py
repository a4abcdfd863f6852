"""What a person may do, at one moment: a page asks about hundreds of objects, and reads once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scout_control.rules.permissions import Decision, Relation, Role, Scope, decide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scout_control.store.visibility import Viewer


@dataclass(frozen=True, kw_only=True)
class Grants:
    """The roles of a person: to offer an operation or not. It is decided again when it is done."""

    viewer: Viewer
    projects: Mapping[str, Role]
    """What the person is, by project."""
    scope: Scope

    def may(self, operation: str, *, project: str | None = None, user: str | None = None) -> bool:
        """Return whether an operation would be allowed.

        Args:
            operation: A key of the table.
            project: The project that has the object; none for one of the installation.
            user: Whose the object is, if it is a user's.
        """
        roles, relation = self.viewer.roles, self.viewer.relation(user)
        if project is None and user is None:
            relation, roles = Relation.INSTALLATION, roles.union(self.projects.values())
        elif project is not None and project in self.projects:
            roles |= {self.projects[project]}
        return decide(operation, roles, relation, self.scope) is Decision.ALLOWED
