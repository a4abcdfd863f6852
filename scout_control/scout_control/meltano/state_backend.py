"""Meltano's state backend ``scout-run``: forwards states to control, which stores them.

It runs in Meltano's process, which has no database credentials. Meltano discovers it by the entry
point ``meltano.state_backends``.
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
    """The state of the dataset of this run."""

    label = "scout"

    def __init__(self, uri: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._socket = Path(urlsplit(uri).path)

    def get(self, state_id: str) -> MeltanoState | None:
        """Return the state that control has stored."""
        state = client.request(self._socket, {"state_id": state_id})["state"]
        if state is None:
            return None
        return MeltanoState(
            state_id=state_id,
            partial_state=state["partial"],
            completed_state=state["completed"],
        )

    def set(self, state: MeltanoState) -> None:
        """Store a state; committed when this returns."""
        client.request(self._socket, {"state_id": state.state_id, "save": state.to_dict()})

    def delete(self, state_id: str) -> None:
        """Store an empty state."""
        self.set(MeltanoState(state_id=state_id, partial_state={}, completed_state={}))

    def get_state_ids(self, pattern: str | None = None) -> Iterable[str]:
        """Return nothing: a run must not list the states of others."""
        del pattern
        return ()

    @contextmanager
    def acquire_lock(self, state_id: str, *, retry_seconds: float = 1) -> Iterator[None]:
        """Do nothing: control starts no other run of the dataset."""
        del state_id, retry_seconds
        yield
