"""What the demo remembers between its runs, in ``demo.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from scout_control.demo.source import Change

FILE = "demo.json"


@dataclass
class History:
    """The last dataset, the names of the demo's sources, and what was changed in the sandbox.

    The sandbox forgets its changes when it ends, so they are made again when it starts.
    """

    schema: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    """The names under which sources were added, by the demo's own name for them."""
    changes: dict[str, list[Change]] = field(default_factory=dict)
    """By the demo's name for the source."""

    @classmethod
    def load(cls, home: Path) -> Self:
        """Return the history of a folder; an empty one before its first demo.

        A demo that was killed may have left half a file: that is as good as none.
        """
        file = home / FILE
        try:
            document = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):
            return cls()
        if not isinstance(document, dict):
            return cls()
        known = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
        return cls(**known)

    def save(self, home: Path) -> None:
        """Write the file, readable by this account only."""
        file = home / FILE
        file.touch(0o600)
        file.write_text(json.dumps(asdict(self), indent=1))
