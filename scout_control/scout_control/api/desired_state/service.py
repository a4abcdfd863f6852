"""Plans, applies and exports the desired state of an installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scout_control.api.desired_state import actual, exporting, files, unseen_rules, yaml_documents
from scout_control.api.desired_state.building import Builder
from scout_control.api.desired_state.execution import DONE, FAILED, Outcome, execute
from scout_control.api.desired_state.items import Kind
from scout_control.api.desired_state.planning import Plan, make_plan
from scout_control.api.desired_state.references import Secrets
from scout_control.api.link_remains import join_commands
from scout_control.datasets import sharing
from scout_control.errors import ConflictError
from scout_control.store import locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scout_control.api.desired_state.files import Files
    from scout_control.api.desired_state.planning import Change
    from scout_control.installation.installation import Installation
    from scout_control.meltano.reports import Wait

LOCK = "scout apply"
GIVEN = "mapping"
"""What messages call a mapping of Python, which has no file name."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A plan, and how each of its changes ended; ``outcomes`` is empty if nothing was to do."""

    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Return whether everything that was planned was done."""
        return all(each.status == DONE for each in self.outcomes)

    @property
    def failures(self) -> list[Outcome]:
        """Return the changes that failed, without those that were skipped."""
        return [each for each in self.outcomes if each.status == FAILED]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON representation."""
        return {
            **self.plan.as_dict(),
            "success": self.is_complete,
            "results": [each.as_dict() for each in self.outcomes],
        }


class Application:
    """One desired state: plan it, then apply the plan."""

    def __init__(
        self,
        installation: Installation,
        documents: Mapping[str, Any] | Iterable[str],
        *,
        is_pruning: bool = False,
    ) -> None:
        self._installation = installation
        self._is_pruning = is_pruning
        self._files: Files = files.merge(_read(documents))
        self._secrets = Secrets()

    def plan(self, *, is_warning: bool = True) -> Plan:
        """Return what applying would change; changes nothing.

        Args:
            is_warning: Whether loaded rows are read, to warn of rules that may be mistyped.

        Raises:
            InvalidStateError: The files have mistakes.
        """
        # Secrets are compared only where the files give some.
        mentioned = {Kind.CONNECTION, Kind.SOURCE, Kind.CREDENTIAL} & self._files.mentioned
        there_is = actual.read(self._installation, mentioned)
        builder = Builder(
            files=self._files,
            actual=there_is,
            find_type=self._installation.plugins.source_type,
            secrets=self._secrets,
            is_pruning=self._is_pruning,
            find_catalog=partial(actual.catalog, self._installation),
            find_own_roles=partial(sharing.own_roles, self._installation),
        )
        prunable = self._files.is_prunable if self._is_pruning else lambda _: False
        desired = builder.build()
        plan = make_plan(desired, there_is.items, prunable)
        if not is_warning:
            return plan
        found = unseen_rules.warnings(self._installation, desired, there_is.items)
        return replace(plan, warnings=tuple(found))

    def apply(
        self,
        plan: Plan,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        on_test: Callable[[int], None] | None = None,
        on_wait: Callable[[str, Wait], None] = lambda *_: None,
    ) -> Result:
        """Carry out a plan of this desired state.

        Args:
            plan: The plan.
            on_outcome: Called after each change.
            on_test: Called with the number of accounts before they are tested at their sources;
                None: credentials are stored untested.
            on_wait: Called in threads, with a source that makes a test wait, and why.

        Raises:
            ConflictError: Another apply is running, something has changed since the plan, or a run
                is in progress whose data is to be removed.
        """
        if not plan.changes:
            return Result(plan=plan)
        with locks.try_locks(self._installation.store, LOCK) as is_free:
            if not is_free:
                raise ConflictError("Another scout apply is running.", "Wait until it has ended.")
            current = self.plan(is_warning=False)
            if _changes(current) != _changes(plan):
                raise ConflictError(
                    "Something has changed since the plan was made; nothing was done.",
                    "Apply again, and look at the new plan.",
                )
            if current.busy:
                raise _busy_error(current.busy)
            outcomes = execute(self._installation, plan, on_outcome, on_test, on_wait)
            return Result(plan=plan, outcomes=outcomes)


def _changes(plan: Plan) -> list[dict[str, Any]]:
    return [each.as_dict() for each in plan.changes]


def _busy_error(busy: Sequence[Change]) -> ConflictError:
    """Return the error for removals before anything is changed."""
    names = ", ".join(each.key.name for each in busy)
    cancel = join_commands(
        f"scout runs cancel {each.actual.busy_with}" for each in busy if each.actual
    )
    return ConflictError(
        f"Runs are loading what would be removed: {names}. Nothing was changed.",
        f"Apply again when they have ended. To end them now: {cancel}",
    )


def export(installation: Installation) -> exporting.Export:
    """Return what there is as a document that can be applied."""
    kinds = {Kind.CONNECTION, Kind.SOURCE, Kind.CREDENTIAL}
    return exporting.export(actual.read(installation, kinds))


def _read(documents: Mapping[str, Any] | Iterable[str]) -> list[yaml_documents.Document]:
    if isinstance(documents, Mapping):
        return [yaml_documents.Document(GIVEN, Path(), dict(documents))]
    return [yaml_documents.read(str(name)) for name in documents]
