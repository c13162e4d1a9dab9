"""Daemon threads for network requests, so that the end of the program does not wait for a server.

(The pool of `concurrent.futures` joins its threads when the interpreter exits, so Ctrl-C would wait for the slowest
socket.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.5
_SECONDS_TO_END = 2.0


class Cancelled(Exception):
    """The caller has cancelled the work."""


def sleep_or_cancel(seconds: float, stop: Event) -> None:
    """Wait for some seconds, or until `stop` is set.

    Raises:
        Cancelled: `stop` was set.
    """
    if stop.wait(seconds):
        raise Cancelled


def run_in_daemon_thread(work: Callable[[], T]) -> Future[T]:
    """Run `work` on a new daemon thread and return a future for its result."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def run_parallel(
    works: Sequence[Callable[[], T]], stop: Event, meanwhile: Callable[[], None] = lambda: None
) -> list[T]:
    """Run all `works` at the same time and return their results in order.

    Args:
        works: functions to run, each on its own thread.
        stop: event that is set at the end: after the last result, the first exception or an interrupt. The functions
            must check it and return soon after it is set.
        meanwhile: function that the calling thread calls every half second, to log and to draw progress.

    Raises:
        BaseException: the exception of a function that failed.
    """
    futures = [run_in_daemon_thread(work) for work in works]
    try:
        while True:
            done, waiting = wait(futures, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
            meanwhile()
            if not waiting or any(future.exception() for future in done):
                break
    finally:
        stop.set()
        # A thread may still wait for its socket. It is abandoned, and writes nothing any more because `stop` is set.
        wait(futures, timeout=_SECONDS_TO_END)
    for future in sorted(futures, key=lambda future: future.done() and isinstance(future.exception(), Cancelled)):
        if future.done():
            future.result()
    return [future.result() for future in futures]
