"""How a reference's legend relates to the map's: a table that a person can read, one class a line with a comment.

A crosswalk is a CSV with the columns `side,code,name,group,comment`, below lines that begin with `#` and say what it
is. `side` is `map` (every class of `lc_assets.core.landcover`, once, with its code and name) or `reference` (every code
of the reference's legend). Classes of one group correspond. The group `-` is that of classes that correspond to nothing
on the other side: the comment says why, and pixels of such a class are counted but not scored.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASSES

NOT_SCORED = "-"
"""The group of what does not correspond."""
FOLDER = Path(__file__).with_name("crosswalks")
"""Where the crosswalks lie that come with the package; one is named after its reference."""

_COLUMNS = ["side", "code", "name", "group", "comment"]
_DIGITS, _LONGEST = 6, 40
"""Of a code, and characters of a group: it is a row of tables and pictures."""
_FORMULA = "=+@"
_LARGEST = 1 << 20
_MOST = 250
"""Classes of a legend: with two more for what is none they fit into a byte."""
CODES = 1 << 16
"""Class codes are whole numbers below this."""

Side = Literal["map", "reference"]


class Entry(NamedTuple):
    """One class of one side: its code in the raster, its name, its group, and why."""

    code: int
    name: str
    group: str
    comment: str


@dataclass(frozen=True)
class Crosswalk:
    """Two legends and the groups that they have in common.

    Attributes:
        name: the file's name, without its suffix.
        sha256: of the file.
        map: the map's classes; position == code.
        reference: the reference's classes, in the file's order.
        groups: names of the common groups, in the order of the map's classes.
    """

    name: str
    sha256: str
    map: tuple[Entry, ...]
    reference: tuple[Entry, ...]
    groups: tuple[str, ...]

    def group_of(self, side: Side) -> np.ndarray:
        """(classes,) index into `groups` of each class of a side, -1 where it does not correspond."""
        entries = self.map if side == "map" else self.reference
        return np.array([self.groups.index(e.group) if e.group in self.groups else -1 for e in entries], np.int16)

    @property
    def positions(self) -> np.ndarray:
        """(65536,) uint8: raster code of the reference -> position in `reference`; `unlisted` for all other codes."""
        lookup = np.full(CODES, self.unlisted, np.uint8)
        for position, entry in enumerate(self.reference):
            lookup[entry.code] = position
        return lookup

    @property
    def unlisted(self) -> int:
        """The position that stands for codes that the crosswalk does not list."""
        return len(self.reference)


def shipped(name: str) -> Path | None:
    """The crosswalk that comes with the package for a reference of that name; None where there is none."""
    path = FOLDER / f"{name}.csv"
    return path if path.parent == FOLDER and path.is_file() else None


def read_crosswalk(path: Path) -> Crosswalk:
    """Read a crosswalk and check it line by line.

    Raises:
        LandCoverError: there is no such file, or a line (named by its number) is wrong: an unknown column, side or map
            class, a code twice or beyond 0..65535, a class without a comment, a group that only one side has; or a map
            class is missing.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is far too long")
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LandCoverError(
            f"the crosswalk {path} cannot be read ({reason})", remedy="name a CSV file, UTF-8, as docs describe it"
        ) from None
    return _Reader(path, lines).crosswalk(hashlib.sha256(content).hexdigest())


class _Reader:
    """Goes through the lines of one file."""

    def __init__(self, path: Path, lines: Sequence[str]) -> None:
        self._path, self._lines = path, lines
        self._found: dict[str, dict[int, tuple[Entry, int]]] = {"map": {}, "reference": {}}

    def crosswalk(self, sha256: str) -> Crosswalk:
        """The checked table."""
        head: list[str] | None = None
        for number, line in enumerate(self._lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            cells = self._cells(line, number)
            if head is None:
                head = cells
                if head != _COLUMNS:
                    self._bad(number, f"its columns are {','.join(head)[:80]}", f"write {','.join(_COLUMNS)}")
            else:
                self._take(cells, number)
        if head is None:
            self._bad(len(self._lines), "it has no columns", f"begin it with {','.join(_COLUMNS)}")
        missing = [c.name for c in CLASSES if c.code not in self._found["map"]]
        if missing:
            self._bad(len(self._lines), f"it ends without {', '.join(missing)}", "give every class of the map a line")
        if not self._found["reference"]:
            self._bad(len(self._lines), "it ends without a class of the reference", "give every one of them a line")
        if len(self._found["reference"]) > _MOST:
            self._bad(len(self._lines), f"the reference has more than {_MOST} classes", "merge some")
        groups = self._groups()
        ours = tuple(self._found["map"][c.code][0] for c in CLASSES)
        theirs = tuple(entry for entry, _ in self._found["reference"].values())
        return Crosswalk(self._path.stem, sha256, ours, theirs, groups)

    def _cells(self, line: str, number: int) -> list[str]:
        try:
            return [cell.strip() for cell in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            self._bad(number, f"it is no CSV ({error})", "mend its quotes")

    def _take(self, cells: list[str], number: int) -> None:
        if len(cells) != len(_COLUMNS):
            more = len(cells) > len(_COLUMNS)
            way = "quote a comment that holds commas" if more else f"give all of {', '.join(_COLUMNS)}"
            self._bad(number, f"it has {len(cells)} cells, not {len(_COLUMNS)}", way)
        side, code, name, group, comment = cells
        if side not in self._found:
            self._bad(number, f"its side is {side[:40]!r}", "write map or reference")
        if not (code.isascii() and code.isdecimal() and len(code) <= _DIGITS and int(code) < CODES):
            self._bad(number, f"its code is {code[:40]!r}", f"write a whole number, 0 to {CODES - 1}")
        if not name or not group or not comment:
            self._bad(number, "it lacks a name, a group or a comment", "fill it in; - is a group too")
        if len(group) > _LONGEST or name[0] in _FORMULA or group[0] in _FORMULA:  # a spreadsheet would compute it
            way = f"write a group of {_LONGEST} characters at most, and neither name nor group with {_FORMULA[0]} first"
            self._bad(number, f"its name is {name[:40]!r}, its group {group[:60]!r}", way)
        entry, before = Entry(int(code), name, group, comment), self._found[side].get(int(code))
        if before:
            self._bad(number, f"{side} class {entry.code} stands in line {before[1]} already", "remove one of them")
        known = {c.code: c.name for c in CLASSES}
        if side == "map" and known.get(entry.code) != name:
            says = known.get(entry.code, "nothing")
            self._bad(number, f"its class {entry.code} is {says}, not {name[:40]!r}", "use the map's codes and names")
        self._found[side][entry.code] = (entry, number)

    def _groups(self) -> tuple[str, ...]:
        """Groups that both sides have; a group that one side has alone could never agree."""
        sides = {side: {e.group: n for e, n in found.values()} for side, found in self._found.items()}
        for side, other in (("map", "reference"), ("reference", "map")):
            for group, number in sides[side].items():
                if group != NOT_SCORED and group not in sides[other]:
                    problem = f"no class of the {other} is in the group {group[:40]!r}"
                    self._bad(number, problem, f"write the group {NOT_SCORED}")
        ordered = (self._found["map"][c.code][0].group for c in CLASSES)
        groups = tuple(group for group in dict.fromkeys(ordered) if group != NOT_SCORED)
        if not groups:
            self._bad(len(self._lines), "nothing in it corresponds", "put at least two classes into one group")
        return groups

    def _bad(self, number: int, problem: str, remedy: str) -> NoReturn:
        raise LandCoverError(f"the crosswalk {self._path}, line {number}: {problem}", remedy=remedy)


def as_rows(crosswalk: Crosswalk) -> list[dict[str, Any]]:
    """The whole table as it stands in the file, for reports."""
    sides: tuple[tuple[Side, tuple[Entry, ...]], ...] = (("map", crosswalk.map), ("reference", crosswalk.reference))
    return [{"side": side, **entry._asdict()} for side, entries in sides for entry in entries]
