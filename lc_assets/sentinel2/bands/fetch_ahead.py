"""Fetch the next of several scenes on a thread, while the present one is computed.

One scene is fetched ahead, and only if the disk has space for it. Its files stay in the scene's folder for downloads
until its own run asks for them. So that run has the figures, the delays and the error of the fetch, and a scene whose
run never begins gets nothing in the store.
"""

from __future__ import annotations

import itertools
import math
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from lc_assets.core.progress import notify, progress_callbacks, report_progress
from lc_assets.core.urls import is_remote
from lc_assets.remote.threads import Cancelled, run_in_daemon_thread
from lc_assets.sentinel2.item.declared import DeclaredAsset
from lc_assets.sentinel2.item.scene import Scene

T = TypeVar("T")

Fetch = Callable[[Scene, Callable[[], None]], T]
"""Function that fetches a scene into the store. It calls its second argument when all files have arrived, before any of
them gets into the store."""

_TILE = (10980, 10980)
_POLL_SECONDS = 0.25
_SECONDS_TO_END = 5.0


@contextmanager
def fetching_ahead(scenes: Sequence[Scene], disk: Path) -> Iterator[None]:
    """Inside the context, `fetch_in_turn` of a scene also begins to fetch the scene after it.

    Args:
        scenes: in the order in which their runs follow each other.
        disk: a folder on the disk of the downloads.
    """
    turns = _Turns(scenes, disk)
    token = _turns.set(turns)
    try:
        yield
    finally:
        _turns.reset(token)
        turns.cancel()


def fetch_in_turn(scene: Scene, fetch: Fetch[T]) -> T:
    """Fetch a scene, or wait for its fetch that began ahead; inside `fetching_ahead`, then begin with the next one.

    Raises:
        LandCoverError: an error of `fetch`.
    """
    turns = _turns.get()
    return turns.take(scene, fetch) if turns else fetch(scene, _nothing)


class _Turns:
    """The scenes of a context, and the one that is fetched ahead."""

    def __init__(self, scenes: Sequence[Scene], disk: Path) -> None:
        self._next = {scene.id: following for scene, following in itertools.pairwise(scenes)}
        self._disk = disk
        self._ahead: _FetchAhead[Any] | None = None

    def take(self, scene: Scene, fetch: Fetch[T]) -> T:
        ahead, self._ahead = self._ahead, None
        if ahead and ahead.scene == scene:
            fetched: T = ahead.result()
        else:
            if ahead:
                ahead.cancel()
            fetched = fetch(scene, _nothing)
        following = self._next.get(scene.id)
        # Only now: no run waits for a scene while this process holds the next one, so two processes cannot block each
        # other. And the scene that is needed first has the whole network.
        if following and any(is_remote(href) for href in following.hrefs.values()) and self._has_space(following):
            self._ahead = _FetchAhead(following, fetch)
        return fetched

    def cancel(self) -> None:
        if self._ahead:
            self._ahead.cancel()

    def _has_space(self, scene: Scene) -> bool:
        """Return True if the disk has space for the scene's files twice: uncompressed, if their size is unknown."""
        declared = [scene.declared.get(name, DeclaredAsset()) for name in scene.hrefs]
        needed = 2 * sum(asset.size or 2 * math.prod(asset.shape or _TILE) for asset in declared)
        free = shutil.disk_usage(self._disk).free
        if free < needed:
            notify(f"{scene.id} is not fetched ahead: {free / 1e9:.1f} GB are free, it may need {needed / 1e9:.1f} GB")
        return free >= needed


class _FetchAhead(Generic[T]):
    """The fetch of one scene on a thread of its own."""

    def __init__(self, scene: Scene, fetch: Fetch[T]) -> None:
        self.scene = scene
        self._asked_for, self._cancelled = threading.Event(), threading.Event()
        self._progress: tuple[float, str] | None = None
        self._notices: SimpleQueue[str] = SimpleQueue()
        self._fetched = run_in_daemon_thread(partial(self._run, fetch))

    def result(self) -> T:
        """Let the files into the store, and return the result. Progress and delays become those of this thread."""
        self._asked_for.set()
        try:
            while wait([self._fetched], timeout=_POLL_SECONDS).not_done:
                self._tell()
        finally:
            self.cancel()  # after an interrupt; it changes nothing if the fetch is over
        self._tell()
        return self._fetched.result()

    def cancel(self) -> None:
        """End the fetch. What has been downloaded stays in the folder for downloads, for a later attempt."""
        self._cancelled.set()
        self._asked_for.set()
        wait([self._fetched], timeout=_SECONDS_TO_END)

    def _run(self, fetch: Fetch[T]) -> T:
        with progress_callbacks(self._keep, self._notices.put):
            return fetch(self.scene, self._wait)

    def _keep(self, share: float, text: str) -> None:
        self._raise_if_cancelled()
        self._progress = share, text

    def _wait(self) -> None:
        self._asked_for.wait()
        self._raise_if_cancelled()

    def _raise_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _tell(self) -> None:
        while not self._notices.empty():
            notify(self._notices.get())
        if self._progress:
            report_progress(*self._progress)


_turns: ContextVar[_Turns | None] = ContextVar("turns", default=None)


def _nothing() -> None:
    """The scene's own run fetches it: its files may get into the store at once."""
