"""Tests the credentials of a plan at their sources: each account once, some at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from scout_control.credentials import check, failed_tests
from scout_control.credentials.records import Owner
from scout_control.errors import ControlError, CredentialRefusedError, ServerError
from scout_control.rules.wording import counted, listed
from scout_control.store import lookups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from scout_control.api.desired_state.items import Key
    from scout_control.api.desired_state.planning import Change
    from scout_control.installation.installation import Installation
    from scout_control.meltano.reports import Wait

AT_ONCE = 4
UNTESTED = "to store it untested: --no-test."
CORRECT = f"Correct the secret that the file refers to, then apply again; {UNTESTED}"
APPLY_AGAIN = "apply again"


def accounts(changes: Iterable[Change]) -> list[list[Change]]:
    """Return the changes of credentials, those together that are one account of one source."""
    found: dict[Any, list[Change]] = {}
    for change in changes:
        if change.desired is not None and change.desired.secrets:
            secrets = tuple(sorted(change.desired.secrets.items()))
            account = (change.key.source, change.desired.fields["kind"], secrets)
            found.setdefault(account, []).append(change)
    return list(found.values())


def failures(
    installation: Installation,
    tested: Sequence[Sequence[Change]],
    on_wait: Callable[[str, Wait], None],
) -> Mapping[Key, ControlError]:
    """Test accounts, each with the settings of its first project; return what must not be stored.

    Each test ends after a limited time. ``on_wait`` is called in threads, with the source and what
    it makes wait for.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        errors = list(pool.map(lambda each: _error(installation, each[0], on_wait), tested))
    return {
        change.key: explained(error, change, account)
        for account, error in zip(tested, errors, strict=True)
        if error is not None
        for change in account
    }


def explained(error: ControlError, change: Change, account: Sequence[Change]) -> ControlError:
    """Return the error for a change whose account failed the test, perhaps that of another.

    That of the change which was tested names the others, whose own errors need not be shown.
    """
    tested, *others = account
    cause = error.cause
    if change is not tested:
        cause = f"The same account failed the test for {tested.key.project}. {cause}"
    elif others:
        projects = listed([each.key.project for each in others])
        cause = f"{cause} {counted(len(others), 'other project')} with this account: {projects}."
    if isinstance(error, CredentialRefusedError):
        return type(error)(cause, CORRECT)
    remedy = failed_tests.remedy(error, APPLY_AGAIN)
    return type(error)(cause, f"{remedy.removesuffix('.')}; {UNTESTED}")


def _error(
    installation: Installation, change: Change, on_wait: Callable[[str, Wait], None]
) -> ControlError | None:
    if change.desired is None:
        return None
    owner, kind = Owner(project_id=change.key.project), change.desired.fields["kind"]
    secrets, name = change.desired.secrets or {}, change.key.source
    try:
        with installation.store.begin() as session:
            source = lookups.source(session, name)
        check.tested(installation, source, owner, kind, secrets, partial(on_wait, name))
    except ControlError as error:
        return error
    except psycopg.Error as error:
        return ServerError.of_postgres(error, error.sqlstate)
    return None
