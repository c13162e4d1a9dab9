"""The errors whose message is written for the user.

Every error in the input (an unknown item, a broken band, a model that does not fit) is raised as a `LandCoverError`.
Its single message names the item, the asset and a remedy. The command line prints it without a traceback; the Dagster
assets turn it into a `Failure`. `transient` says whether the same call may succeed later without a change by the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_WORD = re.compile(r"[^\s'\"<>]+")
_USER = re.compile(r"://[^/?#@]*@")
_QUERY = re.compile(r"[?#]")
_ARGUMENTS = re.compile(r"[?#&]")
_SIGNATURE = re.compile(r"(?i)\bsig=")
"""All these patterns match in linear time, and so does the code that uses them, because texts of a STAC item come from
an untrusted source and may be long."""


def without_query(text: str) -> str:
    """Return `text` without possible secrets: query, fragment and user of every URL, and SAS signatures anywhere."""
    return _WORD.sub(lambda word: _strip_secrets(word[0]), text)


def _strip_secrets(word: str) -> str:
    """Cut a word before its query if it is a URL or contains a signature, and remove the user from a URL."""
    scheme = word.find("://")
    if scheme >= 0:
        word = word[:scheme] + _USER.sub("://", word[scheme:])
        query = _QUERY.search(word, scheme)
        return word[: query.start()] if query else word
    begin = _ARGUMENTS.search(word)
    return word[: begin.start()] if begin and _SIGNATURE.search(word, begin.start()) else word


def printable(text: str) -> str:
    """Return `text` with characters that a terminal would interpret or cannot print as escapes. Line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class LandCoverError(Exception):
    """An error that the user can fix, described in one message.

    Args:
        problem: what is wrong, without item and asset, which the message puts in front of it.
        remedy: what the user can do about it.
        item: STAC item id, if known.
        season_map: name of the season map concerned, if any.
        asset: band, file or Dagster asset concerned, if known.
        transient: True if the same call may succeed later (after a time-out or an HTTP 503, for example).
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str,
        item: str | None = None,
        season_map: str | None = None,
        asset: str | None = None,
        transient: bool = False,
    ) -> None:
        self.problem = without_query(problem)
        self.remedy = without_query(remedy)
        self.item = item
        self.season_map = season_map
        self.asset = asset
        self.transient = transient
        super().__init__(self.problem)

    def __str__(self) -> str:
        where = ", ".join(
            part
            for part in (
                f"item {self.item}" if self.item else "",
                f"season map {self.season_map}" if self.season_map else "",
                f"asset {self.asset}" if self.asset else "",
            )
            if part
        )
        return printable(f"{where + ': ' if where else ''}{self.problem} -> {self.remedy}")


@contextmanager
def naming(item: str | None = None, asset: str | None = None) -> Iterator[None]:
    """Let the errors of the body name an item and an asset, where they do not name one themselves."""
    try:
        yield
    except LandCoverError as error:
        error.item = error.item or (None if error.season_map else item)
        error.asset = error.asset or asset
        raise


class BadReference(LandCoverError):
    """An item id, path or URL that cannot be resolved to a STAC item, or a search that cannot be answered."""


class NoSuchItem(BadReference):
    """An item id that the catalog does not have."""


class BadItem(LandCoverError):
    """A STAC item that is malformed or is not a usable Sentinel-2 item."""


class BadBand(LandCoverError):
    """A band file that is missing, damaged, or not on the grid of its tile."""


class BadModel(LandCoverError):
    """A model that is damaged or does not fit its contract, or a scene that does not fit the model."""


class StoreError(LandCoverError):
    """The store cannot be written or read: the disk is full, permission is denied, or a required file is missing."""
