"""Threads for waiting on the network. They are daemons: whoever ends the program does not wait for a server.

(`concurrent.futures`' own pool joins its threads when the interpreter exits, so that Ctrl-C waits for the slowest
socket.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

_TICK = 0.5
_SECONDS_TO_END = 2.0


class Cancelled(Exception):
    """Whoever asked for the work has ended it."""


def sleep_or_cancel(seconds: float, stop: Event) -> None:
    """Wait, or end at once when `stop` is set.

    Raises:
        Interrupted: it was set.
    """
    if stop.wait(seconds):
        raise Cancelled


def run_in_daemon_thread(work: Callable[[], T]) -> Future[T]:
    """Run `work` on a thread of its own."""
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
    """The results of all `works`, which run at once.

    The first that fails sets `stop`, and so does an interrupt: the others are to look at it, and end. What it failed
    with is raised. `meanwhile` is called now and then on the caller's own thread, which is the one that may log and
    draw.
    """
    futures = [run_in_daemon_thread(work) for work in works]
    try:
        while True:
            done, waiting = wait(futures, timeout=_TICK, return_when=FIRST_EXCEPTION)
            meanwhile()
            if not waiting or any(future.exception() for future in done):
                break
    finally:
        stop.set()
        # A socket may have nothing to say for a while yet: such a thread is left behind, and writes nothing more.
        wait(futures, timeout=_SECONDS_TO_END)
    for future in sorted(futures, key=lambda future: future.done() and isinstance(future.exception(), Cancelled)):
        if future.done():
            future.result()
    return [future.result() for future in futures]
