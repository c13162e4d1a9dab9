"""What the drill prints: markdown, as it comes, and at the end whether all that is claimed holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


class Report:
    """Markdown on standard output; what it is busy with on standard error.

    Attributes:
        part: the part of the drill that speaks, for the list of what does not hold.
    """

    def __init__(self) -> None:
        self.part = ""
        self._claims = 0
        self._broken: list[str] = []

    def title(self, text: str) -> None:
        """A heading."""
        self.say(f"\n## {text}\n")

    def say(self, text: str) -> None:
        """A line, at once: whoever waits for minutes sees how far it is."""
        print(text, flush=True)

    def busy(self, text: str) -> None:
        """A line for whoever waits; no part of the report."""
        print(f"... {text}", file=sys.stderr, flush=True)

    def table(self, *columns: str) -> None:
        """The head of a table; a column that begins with `>` is one of numbers."""
        self.row(*(column.lstrip(">") for column in columns))
        self.say("|" + "|".join("---:" if column.startswith(">") else "---" for column in columns) + "|")

    def row(self, *cells: Any) -> None:
        """A row of it."""
        self.say("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")

    def claim(self, name: str, found: Any, holds: bool, promised: Any = "") -> None:
        """A row of a table `what | found | claimed`: something that is to hold."""
        self.row(name, found, f"{promised} {'holds' if holds else '**DOES NOT HOLD**'}".strip())
        self.held(f"{name}: {found}", holds)

    def figures(self, rows: Sequence[tuple[str, Any]]) -> None:
        """Rows of the same table of which nothing is claimed."""
        for name, found in rows:
            self.row(name, found, "")

    def held(self, what: str, holds: bool) -> bool:
        """Count a claim that is shown elsewhere; gives `holds` back."""
        self._claims += 1
        if not holds:
            self._broken.append(f"{self.part}: {what}")
        return holds

    def end(self, seconds: float) -> int:
        """The last lines; the exit status."""
        self.title("Whole drill")
        self.say(f"{seconds:.0f} s; {self._claims - len(self._broken)} of {self._claims} claims hold.")
        for broken in self._broken:
            self.say(f"- DOES NOT HOLD: {broken}")
        return 1 if self._broken else 0
