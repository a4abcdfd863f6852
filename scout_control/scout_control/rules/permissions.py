"""Who may do what, through every surface on which people sign in: one table.

A row is an operation of the Python interface. It says, for each relation of the object to the
person, in which roles the operation is allowed. Where no one is named, the operation exists for the
person at the shell and for Python only. What a person may not see does not exist for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Role(StrEnum):
    """What a person is, where the object is: in its project, else in the installation."""

    ANONYMOUS = "not signed in"
    PERSON = "signed in"
    """Without a role there: for an object of a project, this is a foreign project."""
    MEMBER = "project member"
    ADMIN = "project admin"
    CONNECTIONS = "connection manager"
    OPERATOR = "operator"


class Relation(StrEnum):
    """Whose an object is."""

    INSTALLATION = "of the installation"
    PROJECT = "of the project"
    """Shared by the project: its datasets and credentials, its links and members."""
    OWN = "one's own"
    OTHER = "another person's"


class Scope(IntEnum):
    """How far a sign-in reaches: that of a token, or of the person themselves."""

    READ = 1
    WRITE = 2
    FULL = 3
    """Signed in, not with a token: a token that was stolen cannot make others."""


class Decision(StrEnum):
    """What happens to a request."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    """The object is visible: 403, with the reason."""
    HIDDEN = "hidden"
    """The answer is that of an object that does not exist: 404."""


OPERATOR, MANAGE_CONNECTIONS = "operator", "manage_database_connections"
INSTALLATION_ROLES: Mapping[str, Role] = {
    OPERATOR: Role.OPERATOR,
    MANAGE_CONNECTIONS: Role.CONNECTIONS,
}
PROJECT_ROLES: Mapping[str, Role] = {"admin": Role.ADMIN, "member": Role.MEMBER}
SCOPES: Mapping[str, Scope] = {"read": Scope.READ, "write": Scope.WRITE}

Audience = Mapping[Relation, frozenset[Role]]

_EVERYONE = frozenset(Role) - {Role.ANONYMOUS}
_MEMBERS = frozenset({Role.MEMBER, Role.ADMIN})
_ADMINS = frozenset({Role.ADMIN, Role.OPERATOR})
_OPERATORS = frozenset({Role.OPERATOR})
_MANAGERS = frozenset({Role.CONNECTIONS})
_I, _P, _O, _X = Relation.INSTALLATION, Relation.PROJECT, Relation.OWN, Relation.OTHER

# What there is, and how it fares. Admins and operators see the datasets of others, not their rows.
_STATUS: Audience = {_P: _MEMBERS | _ADMINS, _O: _MEMBERS | _ADMINS, _X: _ADMINS}
# Rows, or a login that reads them: never another person's, and no operator's by that role alone.
_DATA: Audience = {_P: _MEMBERS, _O: _MEMBERS}
_LOAD: Audience = {_P: _MEMBERS | _ADMINS, _O: _MEMBERS | _ADMINS, _X: _ADMINS}
_MANAGE: Audience = {_P: _ADMINS, _O: _MEMBERS | _ADMINS, _X: _ADMINS}
# Gives others access, or consents: only who may read it all, and no one for another.
_ENTRUST: Audience = {_P: frozenset({Role.ADMIN}), _O: _MEMBERS}
_PROJECT: Audience = {_P: _MEMBERS | _ADMINS}
_PROJECT_ADMIN: Audience = {_P: _ADMINS}
_INSTALLATION: Audience = {_I: _OPERATORS}
_SOURCES: Audience = {_I: _ADMINS, _P: _MEMBERS | _ADMINS}
_CONNECTIONS: Audience = {_I: _ADMINS | _MANAGERS}
_MANAGE_CONNECTIONS: Audience = {_I: _MANAGERS}
_ANYONE: Audience = {_I: _EVERYONE}
_CREDENTIAL: Audience = {_P: _MEMBERS | _ADMINS, _O: _EVERYONE, _X: _OPERATORS}
_CONNECT: Audience = {_P: frozenset({Role.ADMIN}), _O: _EVERYONE}
# A name that all projects share: who is told that it is taken learns of what they may not see.
_NAME: Audience = {_P: _OPERATORS, _O: _OPERATORS, _X: _OPERATORS}
_DISCONNECT: Audience = {_P: _ADMINS, _O: _EVERYONE, _X: _OPERATORS}
_AUDIT: Audience = {_I: _OPERATORS, _P: _ADMINS}
_SHELL: Audience = {}

_READ, _WRITE, _FULL = Scope.READ, Scope.WRITE, Scope.FULL


@dataclass(frozen=True)
class Rule:
    """A row: who may do something, and how far their sign-in must reach."""

    audience: Audience
    scope: Scope
    view: str
    """The operation that shows the object: who may not do that must not learn that it exists."""

    @property
    def is_offered(self) -> bool:
        """Whether there is anyone who may do this without a shell."""
        return bool(self.audience)


TABLE: dict[str, Rule] = {}
"""Every operation of ``Scout``, by its name there."""


def _row(view: str, audience: Audience, scope: Scope, *operations: str) -> None:
    TABLE.update({each: Rule(audience, scope, view) for each in operations})


def _rows_of_datasets() -> None:
    view, models = "datasets.show", ("models.list", "models.show", "models.describe")
    _row(view, _STATUS, _READ, "datasets.list", "datasets.show", "status")
    _row(view, _DATA, _READ, "datasets.describe", "datasets.query", "datasets.search_path", *models)
    _row("queries.list", {_O: _EVERYONE, _X: _ADMINS}, _READ, "queries.list")
    _row(view, _DATA, _WRITE, "datasets.url", "datasets.touch")
    _row(view, _ENTRUST, _WRITE, "datasets.ensure", "datasets.share")
    _row(view, _MANAGE, _WRITE, "datasets.pause", "datasets.update", "datasets.revoke_url")
    _row(view, _MANAGE, _WRITE, "datasets.drop", "datasets.remove")
    _row(view, _NAME, _WRITE, "datasets.choose_alias")
    _row(view, _STATUS, _READ, "runs.list", "runs.show", "runs.logs", "runs.follow")
    _row(view, _STATUS, _READ, "runs.waiting_before")
    _row(view, _LOAD, _WRITE, "runs.queue", "runs.cancel")


def _rows_of_projects() -> None:
    projects, links = "projects.show", "links.show"
    _row(projects, _PROJECT, _READ, "projects.list", "projects.show", "projects.belongings")
    _row(projects, _PROJECT_ADMIN, _WRITE, "projects.update")
    _row(projects, _INSTALLATION, _WRITE, "projects.create", "projects.add")
    _row(projects, {_P: _OPERATORS}, _WRITE, "projects.remove")
    _row(links, _PROJECT, _READ, "links.list", "links.show", "links.unlinked", "sources.links")
    _row(links, _PROJECT, _READ, "links.earlier_rows", "links.remaining")
    _row(links, _PROJECT_ADMIN, _WRITE, "links.add", "links.update", "links.ensure")
    _row(links, _PROJECT_ADMIN, _WRITE, "links.remove", "sources.link", "sources.unlink")


def _rows_of_sources() -> None:
    view = "sources.show"
    of_source = ("sources.list", view, "credentials.source_type", "credentials.default_kind")
    _row(view, _SOURCES, _READ, *of_source)
    _row(view, _ANYONE, _READ, "sources.types", "pipelines")
    _row(view, _INSTALLATION, _WRITE, "sources.add")
    _row(view, {_I: _OPERATORS, _P: _OPERATORS}, _WRITE, "sources.update", "sources.remove")
    _row("connections.show", _CONNECTIONS, _READ, "connections.list", "connections.show")
    manage = ("connections.add", "connections.update", "connections.remove", "connections.test")
    _row("connections.show", _MANAGE_CONNECTIONS, _WRITE, *manage)


def _rows_of_credentials() -> None:
    view = "credentials.show"
    authorize = ("credentials.authorization_request", "credentials.complete_authorization")
    _row(view, _CREDENTIAL, _READ, "credentials.list", "credentials.show")
    _row(view, _CONNECT, _WRITE, "credentials.save", "credentials.check", *authorize)
    _row(view, _CONNECT, _WRITE, "credentials.ask", "credentials.answer")
    _row(view, _DISCONNECT, _WRITE, "credentials.revoke", "credentials.remove")


def _rows_of_people() -> None:
    all_of_project = _MEMBERS | _ADMINS
    anyone = {_O: all_of_project, _X: all_of_project}
    others = {_O: _ADMINS, _X: _ADMINS}
    _row("members.show", anyone, _READ, "members.list", "members.show")
    _row("members.show", others, _WRITE, "members.add", "members.update")
    _row("members.show", {_O: _MEMBERS | _ADMINS, _X: _ADMINS}, _WRITE, "members.remove")
    _row("people.show", {_O: _EVERYONE, _X: _OPERATORS}, _READ, "people.show", "people.list")
    _row("people.show", {_O: _OPERATORS, _X: _OPERATORS}, _WRITE, "people.add", "people.update")
    _row("people.show", {_X: _OPERATORS}, _WRITE, "people.remove")
    _row("sessions.list", {_O: _EVERYONE, _X: _OPERATORS}, _READ, "sessions.list")
    _row("sessions.list", {_O: _EVERYONE, _X: _OPERATORS}, _WRITE, "sessions.end")
    _row("tokens.list", {_O: _EVERYONE, _X: _OPERATORS}, _READ, "tokens.list")
    _row("tokens.list", {_O: _EVERYONE}, _FULL, "tokens.create")
    _row("tokens.list", {_O: _EVERYONE, _X: _OPERATORS}, _WRITE, "tokens.revoke")


def _rows_of_the_installation() -> None:
    purge = {_P: _OPERATORS, _X: _OPERATORS}
    _row("projects.show", _AUDIT, _READ, "audit.list")
    _row("projects.show", _INSTALLATION, _READ, "audit.verify")
    _row("purges.plan", purge, _READ, "purges.plan")
    _row("purges.plan", purge, _FULL, "purges.execute")
    _row("would_expire", _INSTALLATION, _READ, "would_expire", "doctor", "workers")


def _rows_of_the_shell() -> None:
    """These use files or keys of this machine, wait for long, or show a secret to a program."""
    for each in (
        *("init", "plan", "apply", "ensure", "export", "run", "runs.execute", "tick", "work"),
        *(
            "rotate_keys",
            "keys.rotate",
            "keys.plan_rotation",
            "encrypt_credentials",
            "decrypt_credentials",
            "close",
        ),
        *("credentials.test", "datasets.reader", "models.generate", "models.document"),
        *("purges.verify", "links.unseen_paths", "sessions.link", "sessions.first_link"),
    ):
        _row(each, _SHELL, _FULL, each)


for _rows in (
    _rows_of_datasets,
    _rows_of_projects,
    _rows_of_sources,
    _rows_of_credentials,
    _rows_of_people,
    _rows_of_the_installation,
    _rows_of_the_shell,
):
    _rows()


def decide(
    operation: str, roles: Collection[Role], relation: Relation, scope: Scope = Scope.FULL
) -> Decision:
    """Return what happens to an operation on an object.

    Args:
        operation: A key of ``TABLE``.
        roles: What the person is, where the object is; none: not signed in.
        relation: Whose the object is.
        scope: How far the sign-in reaches.
    """
    rule = TABLE[operation]
    if _has_one_of(rule.audience, roles, relation):
        return Decision.ALLOWED if scope >= rule.scope else Decision.FORBIDDEN
    is_visible = _has_one_of(TABLE[rule.view].audience, roles, relation)
    return Decision.FORBIDDEN if is_visible else Decision.HIDDEN


def _has_one_of(audience: Audience, roles: Collection[Role], relation: Relation) -> bool:
    return not audience.get(relation, frozenset()).isdisjoint(roles)
