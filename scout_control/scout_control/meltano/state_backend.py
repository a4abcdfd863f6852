"""Meltano's state backend ``scout-run``: hands every state to control, which keeps it.

Runs in Meltano's own process, which has no login at any database. Meltano finds it as an add-on of
``meltano.state_backends``.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from meltano.core.state_store.base import MeltanoState, StateStoreManager

from scout_control.meltano.run_server import client

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class RunStateStore(StateStoreManager):
    """The state of the one dataset that this run is for."""

    label = "scout"

    def __init__(self, uri: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._socket = Path(urlsplit(uri).path)

    def get(self, state_id: str) -> MeltanoState | None:
        """Return the state that control keeps."""
        found = client.ask(self._socket, {"state_id": state_id})["state"]
        if found is None:
            return None
        return MeltanoState(
            state_id=state_id,
            partial_state=found["partial"],
            completed_state=found["completed"],
        )

    def set(self, state: MeltanoState) -> None:
        """Let control keep a state; committed when this returns."""
        question = {"state_id": state.state_id, "keep": state.to_dict()}
        client.ask(self._socket, question)

    def delete(self, state_id: str) -> None:
        """Let control keep an empty state."""
        self.set(MeltanoState(state_id=state_id, partial_state={}, completed_state={}))

    def get_state_ids(self, pattern: str | None = None) -> Iterable[str]:  # noqa: ARG002
        """Return nothing: a run knows its own state by name, and no other."""
        return ()

    @contextmanager
    def acquire_lock(self, state_id: str, *, retry_seconds: float = 1) -> Iterator[None]:  # noqa: ARG002
        """Do nothing: control lets no other run of the dataset begin."""
        yield
