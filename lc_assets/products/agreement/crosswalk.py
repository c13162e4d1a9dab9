"""The crosswalk of a reference map: a table that relates its legend to that of the map, with one class per line.

A crosswalk is a CSV file with the columns `side,code,name,group,comment`. Lines above it that start with `#` describe
it. `side` is `map` or `reference`. The map side has every class of `lc_assets.core.landcover` once, with its code and
name. The reference side has every code of the reference's legend. Classes in the same group correspond to each other.
Classes in the group `-` have no counterpart on the other side: the comment gives the reason, and their pixels are
counted but not scored.
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
"""Group of the classes without a counterpart."""
FOLDER = Path(__file__).with_name("crosswalks")
"""Folder of the crosswalks in the package. A crosswalk has the name of its reference map."""

_COLUMNS = ["side", "code", "name", "group", "comment"]
_MAX_DIGITS, _MAX_GROUP_LENGTH = 6, 40
"""Largest number of digits of a code, and of characters of a group name, which labels rows of tables and pictures."""
_FORMULA = "=+@"
"""First characters of a formula in spreadsheets."""
_MAX_BYTES = 1 << 20
_MAX_CLASSES = 250
"""Largest number of reference classes. With the positions for unlisted codes and for no data they fit into a byte."""
CODES = 1 << 16
"""Class codes are whole numbers from 0 to `CODES` - 1."""

Side = Literal["map", "reference"]


class Entry(NamedTuple):
    """One class of one side: code in the raster, name, group, and a comment with the reason."""

    code: int
    name: str
    group: str
    comment: str


@dataclass(frozen=True)
class Crosswalk:
    """Two legends and the groups that they have in common.

    Attributes:
        name: name of the file, without suffix.
        sha256: SHA-256 of the file (hex).
        map: classes of the map, by code.
        reference: classes of the reference, in the order of the file.
        groups: names of the common groups, in the order of the map's classes.
    """

    name: str
    sha256: str
    map: tuple[Entry, ...]
    reference: tuple[Entry, ...]
    groups: tuple[str, ...]

    def group_of(self, side: Side) -> np.ndarray:
        """Return (classes,) int16: the index in `groups` of each class of a side, or -1 without a counterpart."""
        entries = self.map if side == "map" else self.reference
        return np.array([self.groups.index(e.group) if e.group in self.groups else -1 for e in entries], np.int16)

    @property
    def positions(self) -> np.ndarray:
        """(65536,) uint8: code in the reference raster -> position in `reference`, or `unlisted` for other codes."""
        lookup = np.full(CODES, self.unlisted, np.uint8)
        for position, entry in enumerate(self.reference):
            lookup[entry.code] = position
        return lookup

    @property
    def unlisted(self) -> int:
        """Position of all codes that the crosswalk does not list."""
        return len(self.reference)


def shipped(name: str) -> Path | None:
    """Return the path of the package's crosswalk for a reference name; None if there is none."""
    path = FOLDER / f"{name}.csv"
    return path if path.parent == FOLDER and path.is_file() else None


def read_crosswalk(path: Path) -> Crosswalk:
    """Read a crosswalk and check it line by line.

    Raises:
        LandCoverError: the file cannot be read, a map class is missing, or a line is wrong: an unknown column, side or
            map class, a code that occurs twice or is outside 0..65535, a class without a comment, or a group that only
            one side has. The message has the number of the line.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a file")
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("it is larger than 1 MiB")
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LandCoverError(
            f"the crosswalk {path} cannot be read ({reason})", remedy="name a CSV file in UTF-8, see docs/looking.md"
        ) from None
    return _Reader(path, lines).crosswalk(hashlib.sha256(content).hexdigest())


class _Reader:
    """Parses and checks the lines of one file."""

    def __init__(self, path: Path, lines: Sequence[str]) -> None:
        self._path, self._lines = path, lines
        self._found: dict[str, dict[int, tuple[Entry, int]]] = {"map": {}, "reference": {}}

    def crosswalk(self, sha256: str) -> Crosswalk:
        """Return the crosswalk."""
        head: list[str] | None = None
        for number, line in enumerate(self._lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            cells = self._cells(line, number)
            if head is None:
                head = cells
                if head != _COLUMNS:
                    self._bad(f"its columns are {','.join(head)[:80]}", f"write {','.join(_COLUMNS)}", number)
            else:
                self._add(cells, number)
        if head is None:
            self._bad("it has no columns", f"start it with {','.join(_COLUMNS)}")
        missing = [c.name for c in CLASSES if c.code not in self._found["map"]]
        if missing:
            self._bad(f"no line has the map's {', '.join(missing)}", "add one line per class of the map")
        if not self._found["reference"]:
            self._bad("no line has a class of the reference", "add one line per class of the reference")
        if len(self._found["reference"]) > _MAX_CLASSES:
            self._bad(f"the reference has more than {_MAX_CLASSES} classes", "merge some classes")
        groups = self._groups()
        map_side = tuple(self._found["map"][c.code][0] for c in CLASSES)
        reference_side = tuple(entry for entry, _ in self._found["reference"].values())
        return Crosswalk(self._path.stem, sha256, map_side, reference_side, groups)

    def _cells(self, line: str, number: int) -> list[str]:
        try:
            return [cell.strip() for cell in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            self._bad(f"it is not valid CSV ({error})", "correct its quotes", number)

    def _add(self, cells: list[str], number: int) -> None:
        if len(cells) != len(_COLUMNS):
            more = len(cells) > len(_COLUMNS)
            remedy = "put a comment with commas into quotes" if more else f"give all of {', '.join(_COLUMNS)}"
            self._bad(f"it has {len(cells)} cells, not {len(_COLUMNS)}", remedy, number)
        side, code, name, group, comment = cells
        if side not in self._found:
            self._bad(f"its side is {side[:40]!r}", "write map or reference", number)
        if not (code.isascii() and code.isdecimal() and len(code) <= _MAX_DIGITS and int(code) < CODES):
            self._bad(f"its code is {code[:40]!r}", f"write a whole number, 0 to {CODES - 1}", number)
        if not name or not group or not comment:
            remedy = "fill it in (the group of a class without a counterpart is -)"
            self._bad("it lacks a name, a group or a comment", remedy, number)
        if len(group) > _MAX_GROUP_LENGTH or name[0] in _FORMULA or group[0] in _FORMULA:
            remedy = (
                f"write a group of {_MAX_GROUP_LENGTH} characters at most; start neither with {' or '.join(_FORMULA)}"
            )
            self._bad(f"its name is {name[:40]!r}, its group {group[:60]!r}", remedy, number)
        entry, before = Entry(int(code), name, group, comment), self._found[side].get(int(code))
        if before:
            self._bad(f"{side} class {entry.code} is already in line {before[1]}", "remove one of them", number)
        known = {c.code: c.name for c in CLASSES}
        if side == "map" and known.get(entry.code) != name:
            class_name = known.get(entry.code)
            problem = (
                f"class {entry.code} is {class_name}, not" if class_name else f"the map has no class {entry.code},"
            )
            self._bad(f"{problem} {name[:40]!r}", "use the map's codes and names", number)
        self._found[side][entry.code] = (entry, number)

    def _groups(self) -> tuple[str, ...]:
        """Return the groups that both sides have. A group of only one side is an error, because it can never agree."""
        sides = {side: {e.group: n for e, n in found.values()} for side, found in self._found.items()}
        for side, other in (("map", "reference"), ("reference", "map")):
            for group, number in sides[side].items():
                if group != NOT_SCORED and group not in sides[other]:
                    problem = f"no class of the {other} is in the group {group[:40]!r}"
                    self._bad(problem, f"write the group {NOT_SCORED} if it has no counterpart", number)
        ordered = (self._found["map"][c.code][0].group for c in CLASSES)
        groups = tuple(group for group in dict.fromkeys(ordered) if group != NOT_SCORED)
        if not groups:
            self._bad("it has no group of both sides", "put a class of each side into one group")
        return groups

    def _bad(self, problem: str, remedy: str, number: int | None = None) -> NoReturn:
        """Raise the error of a line; by default the last one."""
        line = len(self._lines) if number is None else number
        raise LandCoverError(f"the crosswalk {self._path}, line {line}: {problem}", remedy=remedy)


def as_rows(crosswalk: Crosswalk) -> list[dict[str, Any]]:
    """Return all rows of the table for documents, those of the map first."""
    sides: tuple[tuple[Side, tuple[Entry, ...]], ...] = (("map", crosswalk.map), ("reference", crosswalk.reference))
    return [{"side": side, **entry._asdict()} for side, entries in sides for entry in entries]
