"""Log of the API requests: counts since the start, and the latest requests.

Secrets in query strings are masked.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any
from urllib.parse import urlencode

from commcare_sandbox.http_types import Pairs

_KEPT = 2000
_PATHS_KEPT = 5000
_SECRET = {"api_key", "username", "access_token"}


class RequestLog:
    """Counts and latest entries of the handled API requests."""

    def __init__(self) -> None:
        self.total = 0
        self._by_path: Counter[str] = Counter()
        self._by_status: Counter[int] = Counter()
        self._latest: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def add(self, method: str, path: str, params: Pairs, status: int, seconds: float) -> None:
        """Log one request."""
        self.total += 1
        self._by_path[path if len(self._by_path) < _PATHS_KEPT else "(others)"] += 1
        self._by_status[status] += 1
        query = urlencode([(k, "***" if k in _SECRET else v) for k, v in params])
        self._latest.append(
            {
                "at": time.time(),
                "method": method,
                "path": path,
                "query": query,
                "status": status,
                "ms": round(seconds * 1000, 2),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return counts and the latest requests, oldest first."""
        return {
            "total": self.total,
            "by_path": dict(self._by_path),
            "by_status": {str(status): count for status, count in self._by_status.items()},
            "latest": list(self._latest),
        }

    def clear(self) -> None:
        """Forget everything."""
        self.total = 0
        for kept in (self._by_path, self._by_status, self._latest):
            kept.clear()
