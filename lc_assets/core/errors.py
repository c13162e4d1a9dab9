"""The one error that a user is meant to read.

Every fault of the input (an unknown item, a broken band, a model that does not fit) is raised as a `LandCoverError`:
one message that names the item, the asset and the way out. The command line prints it without a traceback; the Dagster
assets turn it into a `Failure`. `transient` says whether the same call may succeed later without anybody's help.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\s'\"<>]+")
_USER = re.compile(r"://[^/?#@]*@")
_QUERY = re.compile(r"[?#]")
_ARGUMENTS = re.compile(r"[?#&]")
_SIGNATURE = re.compile(r"(?i)\bsig=")
"""(All of them are linear, and so is what is done with them: texts of an item are a stranger's, and may be long.)"""


def without_query(text: str) -> str:
    """`text` without what may be secret in it: query, fragment and user of every URL, and SAS signatures anywhere."""
    return _WORD.sub(lambda word: _bare(word[0]), text)


def _bare(word: str) -> str:
    """A word up to its query, if it is a URL or holds a signature; a URL without its user."""
    scheme = word.find("://")
    if scheme >= 0:
        word = word[:scheme] + _USER.sub("://", word[scheme:])
        query = _QUERY.search(word, scheme)
        return word[: query.start()] if query else word
    begin = _ARGUMENTS.search(word)
    return word[: begin.start()] if begin and _SIGNATURE.search(word, begin.start()) else word


def printable(text: str) -> str:
    """`text` with what could steer a terminal, or not be written to it, shown as an escape; line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class LandCoverError(Exception):
    """A fault that a person can mend, told in one message.

    Args:
        problem: what is wrong, without item and asset (they are put in front).
        remedy: what the reader can do about it.
        item: STAC item id, where one is known.
        asset: band, file or Dagster asset concerned, where one is known.
        transient: true when the same call may succeed later (a time-out, a 503).
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str,
        item: str | None = None,
        asset: str | None = None,
        transient: bool = False,
    ) -> None:
        self.problem = without_query(problem)
        self.remedy = without_query(remedy)
        self.item = item
        self.asset = asset
        self.transient = transient
        super().__init__(str(self))

    def __str__(self) -> str:
        where = ", ".join(
            part
            for part in (
                f"item {self.item}" if self.item else "",
                f"asset {self.asset}" if self.asset else "",
            )
            if part
        )
        return printable(f"{where + ': ' if where else ''}{self.problem} -> {self.remedy}")


class BadReference(LandCoverError):
    """A reference to an item that cannot be resolved."""


class BadItem(LandCoverError):
    """A STAC item that is malformed or no usable Sentinel-2 item."""


class BadBand(LandCoverError):
    """A band file that is missing, broken, or not on the tile's grid."""


class BadModel(LandCoverError):
    """A model that is corrupt or does not fit its contract, or a scene that does not fit the model."""


class StoreError(LandCoverError):
    """The store cannot be written or read (disk full, no permission, a needed file gone)."""
