"""A signal ends a run between two messages: at once outside a page, after it inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from tap_common.errors import InterruptedRunError
from tap_common.messages import Output
from tap_common.signals import SignalHandler

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture
def handler() -> Iterator[SignalHandler]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    made = SignalHandler()
    made.install()
    yield made
    for number, old in before.items():
        signal.signal(number, old)


@BOTH
def test_a_signal_between_pages_ends_the_run_at_once(handler, number):
    with pytest.raises(InterruptedRunError) as caught:
        signal.raise_signal(number)

    assert caught.value.exit_code == 128 + number
    assert handler.stop.is_set()


@BOTH
@pytest.mark.parametrize("depth", [1, 3])
def test_a_signal_inside_a_page_waits_for_its_end(handler, number, depth):
    written: list[str] = []

    def write(left: int) -> None:
        with handler.deferred():
            if left > 1:
                write(left - 1)
            else:
                signal.raise_signal(number)
                assert handler.stop.is_set()  # what waits is woken meanwhile
            written.append("page")

    with pytest.raises(InterruptedRunError):
        write(depth)
    assert written == ["page"] * depth


def fail_inside_a_page(handler: SignalHandler) -> None:
    with handler.deferred():
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError


def test_a_page_that_fails_while_a_signal_waits_reports_its_own_error(handler):
    with pytest.raises(ZeroDivisionError):
        fail_inside_a_page(handler)


def test_the_signal_of_a_failed_page_ends_the_next_one(handler):
    with pytest.raises(ZeroDivisionError):
        fail_inside_a_page(handler)
    with pytest.raises(InterruptedRunError), handler.deferred():
        pass


def test_without_a_signal_nothing_is_raised(handler):
    with handler.deferred():
        pass
    handler.raise_pending()

    assert not handler.stop.is_set()


def in_thread(run: object) -> list[BaseException]:
    raised: list[BaseException] = []

    def target() -> None:
        try:
            run()  # type: ignore[operator]  # a function of a test
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            raised.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    return raised


def test_another_thread_writes_its_page_and_leaves_the_signal_to_the_main_one(handler):
    raised: list[list[BaseException]] = []

    def write() -> None:
        with handler.deferred():
            pass

    def signal_inside_a_page() -> None:
        with handler.deferred():
            signal.raise_signal(signal.SIGTERM)
            raised.append(in_thread(write))

    with pytest.raises(InterruptedRunError):
        signal_inside_a_page()
    assert raised == [[]]


def test_another_thread_installs_no_handler():
    before = signal.getsignal(signal.SIGTERM)

    assert in_thread(SignalHandler().install) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_transaction_defers_a_signal_and_frees_its_lock(handler):
    output = Output(handler)
    free: list[bool] = []

    def try_lock() -> None:
        free.append(output.lock.acquire(blocking=False))

    def signal_inside_a_transaction() -> None:
        with output.transaction():
            signal.raise_signal(signal.SIGINT)
            with output.transaction():  # one message inside another's page
                in_thread(try_lock)

    with pytest.raises(InterruptedRunError):
        signal_inside_a_transaction()
    in_thread(try_lock)
    assert free == [False, True]
