"""Where a watch over a collection stands: which stretch of time is looked at next. Pure; `lc_assets.defs.sensors` keeps
it as its cursor.

New items come late and out of order, and old ones come back reprocessed, so no cursor on acquisition time finds them
all. Instead the whole watched time is looked through again and again, a stretch at a time, however long ago it was
taken; and the last days, where most new items come, are looked at every time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone

FIRST_DAYS = 8.0
MOST_DAYS = 128.0
LEAST_DAYS = 1 / 24
FEW, MANY = 200, 1000
"""Items in a stretch: with fewer the next one is longer, with more it is shorter."""


@dataclass(frozen=True)
class SearchCursor:
    """A position.

    Attributes:
        watch: digest of what is watched; another one begins anew.
        at: days since 1970 (UTC) at which the next stretch begins; None is the beginning of the watched time.
        days: length of the next stretch.
        rounds: how often the whole time has been looked through.
        replacing: old version's id -> id of the version that takes its place once it is classified.
    """

    watch: str
    at: float | None = None
    days: float = FIRST_DAYS
    rounds: int = 0
    replacing: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None, watch: str) -> SearchCursor:
        """The position that a cursor holds; the beginning if it is none, or of another watch (what is being replaced
        stays)."""
        try:
            found = cls(**json.loads(cursor or ""))
            sane = LEAST_DAYS <= found.days <= MOST_DAYS and isinstance(found.replacing, dict)
            if sane and (found.at is None or isinstance(found.at, int | float)):
                return found if found.watch == watch else cls(watch, replacing=found.replacing)
        except (ValueError, TypeError):
            pass
        return cls(watch)

    def written(self) -> str:
        """As a cursor."""
        return json.dumps(asdict(self))

    def window(self, begin: datetime, end: datetime) -> tuple[datetime, datetime]:
        """The next stretch of the watched time."""
        first = begin if self.at is None else max(begin, _day(self.at))
        if first >= end:
            first = begin
        return first, min(first + timedelta(days=self.days), end)

    def advance(self, stretch: tuple[datetime, datetime], items: int, end: datetime) -> SearchCursor:
        """The position after a stretch that was looked through to its end."""
        days = min(self.days * 2, MOST_DAYS) if items < FEW else self.days
        if stretch[1] >= end:
            return replace(self, at=None, days=days, rounds=self.rounds + 1)
        return replace(self, at=_days(stretch[1]), days=days)

    def shrink(self) -> SearchCursor:
        """The same position with a shorter stretch: this one has too many items for one look."""
        return replace(self, days=max(self.days / 2, LEAST_DAYS))


def _day(days: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(days=days)


def _days(moment: datetime) -> float:
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(days=1)
