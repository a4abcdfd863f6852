"""Limits how many wrong tokens are looked up, from one address and from all of them.

No one guesses 256 random bits: this keeps who tries from occupying the store and the log. Tokens
that were accepted a while ago are let through, so that colleagues behind one address, or everyone
during an attack, can continue.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from scout_control.errors import TooManyAttemptsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Key = TypeVar("Key")
Value = TypeVar("Value")
WINDOW_SECONDS = 60.0
MOST_OF_ADDRESS = 20
MOST_IN_TOTAL = 600
MOST_ADDRESSES = 10_000
MOST_ACCEPTED = 10_000
IPV6_PREFIX = 64
"""Who has one IPv6 address has all of its network."""

_address: ContextVar[str] = ContextVar("address", default="")


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    """Say where a request comes from that is handled in this context."""
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)


@dataclass
class _Window:
    """Failures since a moment."""

    began_at: float
    failures: int = 0


class Attempts:
    """Counts wrong tokens, or what else is tried, in bounded memory.

    Args:
        clock: Seconds since any moment.
        of_address: At most this many a minute, from one address.
        in_total: At most this many a minute, from all of them.
        told: What there were too many of, as a sentence.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        of_address: int = MOST_OF_ADDRESS,
        in_total: int = MOST_IN_TOTAL,
        told: str = "Too many wrong tokens were sent.",
    ) -> None:
        self._clock, self._told = clock, told
        self._of_address, self._in_total = of_address, in_total
        self._lock = threading.Lock()
        self._total = _Window(clock())
        self._by_address: OrderedDict[str, _Window] = OrderedDict()
        self._accepted: OrderedDict[bytes, None] = OrderedDict()

    def check(self, digest: bytes) -> None:
        """Refuse a token before it is looked up, unless it was accepted before.

        Raises:
            TooManyAttemptsError: Too many wrong ones were sent.
        """
        now, network = self._clock(), _network(_address.get())
        with self._lock:
            if digest in self._accepted:
                return
            windows = [(self._total, self._in_total)]
            if (own := self._by_address.get(network)) is not None:
                windows.append((own, self._of_address))
            waits = [
                each.began_at + WINDOW_SECONDS - now
                for each, most in windows
                if each.failures >= most
            ]
        if (wait := max(waits, default=0.0)) > 0:
            seconds = int(wait) + 1
            raise TooManyAttemptsError(self._told, f"Try again in {seconds} s.", seconds)

    def admit(self) -> None:
        """Count something that anyone may try.

        Raises:
            TooManyAttemptsError: It was tried too often.
        """
        self.check(b"")
        self.failed(b"")

    def accepted(self, digest: bytes) -> None:
        """Remember a token that is valid."""
        with self._lock:
            _add(self._accepted, digest, None, MOST_ACCEPTED)

    def failed(self, digest: bytes) -> None:
        """Count a wrong token."""
        now, network = self._clock(), _network(_address.get())
        with self._lock:
            self._accepted.pop(digest, None)
            if now >= self._total.began_at + WINDOW_SECONDS:
                self._total = _Window(now)
            own = self._by_address.get(network)
            if own is None or now >= own.began_at + WINDOW_SECONDS:
                own = _Window(now)
            _add(self._by_address, network, own, MOST_ADDRESSES)
            own.failures += 1
            self._total.failures += 1


def _add(kept: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
