"""The progress bar of `lc-assets classify`: one line on the terminal, redrawn every second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import click

_BAR = 28
"""Characters of the bar."""
_LINE = 106
"""Characters of the line with its indent; shorter text is padded to it."""
_SECONDS = 1.0
"""Time between two drawings if there is no news."""


class ProgressBar:
    """A bar for steps that are made one after the other. Inside its context the line is redrawn every second.

    So the line shows from the first second that something happens, also in a step that reports nothing for a while.
    """

    def __init__(self, steps: Sequence[str], *, visible: bool, clock: Callable[[], float] = time.perf_counter) -> None:
        """Create a bar.

        Args:
            steps: names of the steps, in the order in which they are made.
            visible: False draws nothing.
            clock: returns seconds.
        """
        self._steps, self._visible, self._clock = steps, visible, clock
        self._done = 0
        self._share, self._words = 0.0, ""
        self._started = clock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def __enter__(self) -> ProgressBar:
        if self._visible:
            self._draw()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        if self._visible:
            self._thread.join()
            click.echo(f"\r{'':<{_LINE}}\r", nl=False)

    def update(self, share: float, words: str) -> None:
        """Show the share of the current step, 0 to 1, and a text."""
        self._share, self._words = share, words
        self._draw()

    def finish_step(self, name: str) -> None:
        """Count a step as done."""
        self._done += 1
        self._share, self._words, self._started = 0.0, "", self._clock()
        self._draw()

    def note(self, line: str) -> None:
        """Print a line above the bar."""
        text = f"      {line}"
        click.secho(f"\r{text:<{_LINE}}" if self._visible else text, fg="yellow", err=True)

    def line(self) -> str:
        """The text of the bar: `####.... class_raster, 12 s: 30 %, ...`."""
        # class_raster takes nearly all of the time, and reports its share of rows: the bar then shows that share.
        filled = int(_BAR * (self._share or self._done / len(self._steps)))
        current = self._steps[self._done] if self._done < len(self._steps) else "done"
        seconds = f", {self._clock() - self._started:.0f} s"
        return f"{'#' * filled}{'.' * (_BAR - filled)} {current}{seconds}{': ' if self._words else ''}{self._words}"

    def _draw(self) -> None:
        if self._visible and not self._end.is_set():
            click.echo(f"\r{f'      {self.line()}':<{_LINE}}", nl=False)

    def _redraw(self) -> None:
        while not self._end.wait(_SECONDS):
            self._draw()
