"""How the process gives memory back: pages come and go in megabytes, on several threads.

It must not know what the memory holds.
"""

from __future__ import annotations

import ctypes

# <malloc.h> of glibc.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 256 * 1024
KEPT_BYTES = 1024 * 1024


def limit_malloc_retention() -> None:
    """Let large blocks be memory of their own, which is free as soon as they are.

    Left alone, glibc raises its limits with each large block that is freed, and keeps one heap a
    thread: the holes between pages of forms then take three times the room of the pages (270 MB
    instead of 91 MB at four requests in flight). Elsewhere than with glibc this does nothing.
    """
    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    tune(M_MMAP_THRESHOLD, LARGE_BYTES)
    tune(M_TRIM_THRESHOLD, KEPT_BYTES)
