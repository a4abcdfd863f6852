"""The file ``demo.json``, in which the demo stores what its next run needs."""

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
class DemoFile:
    """The last dataset, the names of the demo's sources, and the changes made in the sandbox.

    The sandbox keeps nothing when it is stopped, so the changes are applied again when it starts.
    """

    schema: str = ""
    sources: dict[str, str] = field(default_factory=dict)
    """The names under which sources were added to the installation, by the demo's own names."""
    changes: dict[str, list[Change]] = field(default_factory=dict)
    """The changes in the sandbox, by the demo's own name of the source."""

    @classmethod
    def load(cls, home: Path) -> Self:
        """Read the file in a folder; before the first demo, return an empty one.

        A demo that was killed may have left half a file, which counts as none.
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
        """Write the file; no other account can read it."""
        file = home / FILE
        file.touch(0o600)
        file.write_text(json.dumps(asdict(self), indent=1))
