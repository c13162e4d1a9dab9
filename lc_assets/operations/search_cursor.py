"""The position of the sensor's search: which time window it searches next. `lc_assets.defs.sensors` stores it.

New items arrive late and out of order, and old items arrive again after reprocessing. A cursor that only moves forward
in acquisition time would miss them. So the sensor searches the whole watched time again and again, one window per
tick. It searches the last days, where most new items appear, at every tick. This module has no side effects.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone

FIRST_DAYS = 8.0
MOST_DAYS = 128.0
LEAST_DAYS = 1 / 24
FEW, MANY = 200, 1000
"""Items in a window: with fewer than FEW the next window is longer, with more than MANY it is shorter."""


@dataclass(frozen=True)
class SearchCursor:
    """A position of the search.

    Attributes:
        watch: digest of the watch file's content. With another digest the search starts from the beginning.
        at: start of the next window, in days since 1970 (UTC); None means the start of the watched time.
        days: length of the next window, in days.
        rounds: how often the whole watched time was searched.
        failures: number of ticks in a row whose search failed.
        replacing: id of the old version -> id of the version that replaces it after its classification.
    """

    watch: str
    at: float | None = None
    days: float = FIRST_DAYS
    rounds: int = 0
    failures: int = 0
    replacing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None, watch: str) -> SearchCursor:
        """Parse a stored cursor.

        Returns the position at the beginning if the cursor is empty or not valid, or if it belongs to another watch
        (whose `replacing` is kept).

        Args:
            cursor: text that `written` returned, or None.
            watch: digest of the current watch.
        """
        try:
            found = cls(**json.loads(cursor or ""))
            sane = LEAST_DAYS <= found.days <= MOST_DAYS and isinstance(found.replacing, dict)
            if sane and (found.at is None or isinstance(found.at, int | float)):
                return found if found.watch == watch else cls(watch, replacing=found.replacing)
        except (ValueError, TypeError):
            pass
        return cls(watch)

    def written(self) -> str:
        """Return the position as JSON text, for `read`."""
        return json.dumps(asdict(self))

    def window(self, begin: datetime, end: datetime) -> tuple[datetime, datetime]:
        """Return start and end of the next window within the watched time (`begin` to `end`)."""
        first = begin if self.at is None else max(begin, _day(self.at))
        if first >= end:
            first = begin
        return first, min(first + timedelta(days=self.days), end)

    def advance(self, stretch: tuple[datetime, datetime], items: int, end: datetime) -> SearchCursor:
        """Return the position after a window (`stretch`) that was searched to its end and held `items` items."""
        days = min(self.days * 2, MOST_DAYS) if items < FEW else self.days
        if stretch[1] >= end:
            return replace(self, at=None, days=days, rounds=self.rounds + 1)
        return replace(self, at=_days(stretch[1]), days=days)

    def shrink(self) -> SearchCursor:
        """Return the same position with a window of half the length, for a window with too many items."""
        return replace(self, days=max(self.days / 2, LEAST_DAYS))


def _day(days: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(days=days)


def _days(moment: datetime) -> float:
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(days=1)
