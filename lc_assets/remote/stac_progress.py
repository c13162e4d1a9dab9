"""What a search has returned so far, and whether a page without a link to a next one is the last one.

Some APIs send no such link at all, omit it, or stop at a largest number of items. Others count too many items. So a
full page without a link, and a count that is too high, are checked by one small request (`lc_assets.remote.stac_api`).
"""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

from lc_assets.remote.stac_page import Page, Request

USUAL_PAGES = frozenset({10, 20, 25, 50, 100, 200, 500, 1000, 10_000})
"""Numbers of items to which servers limit a page, even if more are asked for."""
_SHOWN = ("datetime", "bbox", "intersects", "query")


@dataclass
class SearchProgress:
    """The items of a search so far, with the pages of one size.

    Attributes:
        first: request for the first page.
        limit: number of items that each page is asked for.
        matched: number of items of the whole search, as the API sends it.
        linked: True if a page had a link to a next one.
        full: True if the last page had as many items as were asked for, or as the largest page before it.
        usual: True if it is the only page and has a number of items to which some servers limit a page.
        continued: True if the search was continued by a narrower time, whose counts are not of the whole search.
    """

    first: Request
    limit: int
    matched: int | None = None
    linked: bool = False
    full: bool = False
    usual: bool = False
    continued: bool = False
    _times: dict[str, datetime | None] = field(default_factory=dict)
    _largest_page: int = 0
    _received: int = 0

    @property
    def ids(self) -> Set[str]:
        """Ids of the items."""
        return self._times.keys()

    @property
    def counted_more(self) -> bool:
        """True if the API counts more items than it has sent."""
        return self.matched is not None and self.matched > len(self._times)

    @property
    def counted_all(self) -> bool:
        """True if the API counts as many items as it has sent."""
        return self.matched == len(self._times)

    @property
    def received_all(self) -> bool:
        """True if the API has sent as many items as it counts, some of them more than once."""
        return self.matched is not None and self._received >= self.matched

    def add(self, page: Page) -> bool:
        """Add the items of a page. Return whether any of them is new."""
        sizes = [size for size in (self.limit, self._largest_page) if size]
        self.full = min(sizes) <= len(page.items) <= self.limit  # with more, the API limits no page
        self.usual = not self._times and len(page.items) in USUAL_PAGES
        self._largest_page = max(self._largest_page, len(page.items))
        self.linked |= page.next_request is not None
        if page.matched is not None and not self.continued:
            self.matched = max(page.matched, self.matched or 0)
        self._received += len(page.items)
        before = len(self._times)
        for item in page.items:
            self._times.setdefault(item["id"], _time(item))
        return len(self._times) > before

    def rest(self) -> tuple[Request, set[str]] | None:
        """Return the request for the items from the time of the last item on, and the ids that are known there.

        None if the items are not sorted by time, or all have the same time.
        """
        times = [time for time in self._times.values() if time is not None]
        if len(times) < len(self._times) or len(set(times)) < 2:
            return None
        last, pairs = times[-1], list(pairwise(times))
        text = last.replace(tzinfo=None).isoformat() + "Z"
        begin, _, end = str((self.first.body or {}).get("datetime") or "").partition("/")
        if all(earlier >= later for earlier, later in pairs):
            interval = f"{begin or '..'}/{text}"
        elif all(earlier <= later for earlier, later in pairs):
            interval = f"{text}/{end or '..'}"
        else:
            return None
        return self.part(datetime=interval), {name for name, time in self._times.items() if time == last}

    def part(self, **changes: Any) -> Request:
        """Return the request for the first page with other parameters."""
        return replace(self.first, body={**(self.first.body or {}), **changes})

    def __str__(self) -> str:
        """What is searched, for a warning."""
        body = self.first.body or {}
        values = {name: body[name] for name in _SHOWN if body.get(name)}
        shown = (f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items())
        return ", ".join(shown)[:200] or "all items"


def _time(item: dict[str, Any]) -> datetime | None:
    """Return the time of an item, or None if it has none that can be read."""
    text = (item["properties"] or {}).get("datetime")
    try:
        time = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
