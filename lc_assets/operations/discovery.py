"""Decides in a tick of the sensor: which items are new, which versions replace others, which time to search next.

This module does not use Dagster's sensors. `lc_assets.defs.sensors` turns the result into run requests.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from lc_assets.core.errors import LandCoverError
from lc_assets.core.progress import notify
from lc_assets.core.wording import quantity
from lc_assets.operations.search_cursor import LEAST_DAYS, MANY, SearchCursor
from lc_assets.operations.watch import ReprocessingPolicy, WatchConfig
from lc_assets.sentinel2.acquisition import is_newer_version, is_older_version
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.sentinel2.scene_ids import acquisition_prefix
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets.sentinel2.search.registry import RegisteredItems

SECONDS = 20.0
"""Seconds after which no further search starts: Dagster stops a tick after one minute."""

Document = dict[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """Result of one search of the catalog.

    Attributes:
        documents: item id -> STAC item.
        cursor: position of the next search.
        words: what was searched and found, for the UI.
    """

    documents: dict[str, Document]
    cursor: SearchCursor
    words: str


@dataclass
class RunPlan:
    """What a tick of the sensor launches.

    Attributes:
        run: new scenes to register and run.
        replacing: id of the old version -> id of the new version, for the scenes in `run`.
        skipped: item id -> reason why the item is not run.
        more: whether there are more new items than one tick may run.
    """

    run: list[Scene] = field(default_factory=list)
    replacing: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    more: bool = False


def search_window(
    watch: WatchConfig,
    query: Callable[[datetime, datetime], Any],
    catalog: StacCatalogClient,
    cursor: SearchCursor,
    now: datetime,
) -> SearchResult:
    """Search the last days, and the next time window of the cursor.

    Args:
        watch: what the sensor watches.
        query: returns the query for a time window.
        catalog: the STAC API to search.
        cursor: the current position.
        now: the current time.

    The position does not move past a window whose items may be incomplete: the next search takes half of that window.

    Raises:
        LandCoverError: the API cannot be reached, or its answer is incomplete. The position then stays the same.
    """
    started = time.monotonic()
    begin, end = watch.span(now)
    if begin >= end:
        return SearchResult({}, cursor, f"the watched time begins at {begin:%Y-%m-%d}")
    recent = max(begin, end - timedelta(days=watch.recent_days))
    documents: dict[str, Document] = {}
    doubts: list[str] = []
    if watch.recent_days:
        _gather(catalog, query(recent, end), documents, MANY, doubts)
    stretch = cursor.window(begin, end)
    words = f"looked at {recent:%Y-%m-%d} to {end:%Y-%m-%d}: {quantity(len(documents), 'item')}{_doubts(doubts)}"
    if time.monotonic() - started > SECONDS:
        return SearchResult(documents, cursor, f"{words}; the API was too slow to look further")
    older: dict[str, Document] = {}
    # The shortest window is searched to its end: it cannot be split.
    doubts = []
    complete = _gather(catalog, query(*stretch), older, MANY if cursor.days > LEAST_DAYS else None, doubts)
    words += f"; at {stretch[0]:%Y-%m-%d %H:%M} to {stretch[1]:%Y-%m-%d %H:%M}: {len(older)}{_doubts(doubts)}"
    documents |= older
    # A window with too many items, or with items that the API may have left out, is split for the next search. The
    # items that were found count already.
    is_whole = complete and not doubts
    return SearchResult(documents, cursor.advance(stretch, len(older), end) if is_whole else cursor.shrink(), words)


def _doubts(doubts: Sequence[str]) -> str:
    return "".join(f" ({doubt})" for doubt in doubts)


def _gather(
    catalog: StacCatalogClient, query: Query, into: dict[str, Document], most: int | None, doubts: list[str]
) -> bool:
    """Add the items that a search finds to `into`, at most `most` and one page more. Return whether these are all.

    A warning that the search may be incomplete is added to `doubts`.
    """

    def on_incomplete(line: str) -> None:
        notify(line)
        doubts.append(line)

    started = time.monotonic()
    for page in catalog.search(query, on_incomplete):
        if time.monotonic() - started > SECONDS:
            raise LandCoverError(
                f"{catalog.url} needs more than {SECONDS:.0f} s for one look",
                remedy="watch a smaller area, or a box instead of many tiles",
                transient=True,
            )
        into.update((str(item.get("id")), item) for item in page)
        if most is not None and len(into) > most:
            return False
    return True


def plan_runs(
    documents: dict[str, Document],
    wanted: Sequence[str],
    known: Set[str],
    *,
    rule: ReprocessingPolicy,
    most: int,
    registry: RegisteredItems,
) -> RunPlan:
    """Decide which of the wanted items are run.

    Args:
        documents: item id -> STAC item.
        wanted: ids of the items that were never run, registered or not.
        known: all partition keys.
        rule: what happens if an acquisition has several versions.
        most: largest number of items to run.
        registry: finds the documents of the registered items.
    """
    decision = RunPlan()
    # An unusable version of an acquisition must not keep a usable one from being run.
    usable: dict[str, Scene] = {}
    for item in wanted:
        try:
            usable[item] = registry.catalog.parse(documents[item])
        except LandCoverError as error:
            decision.skipped[item] = str(error)
    documents = {item: document for item, document in documents.items() if item not in decision.skipped}
    relatives = _relatives(list(usable), known, documents, registry)
    for item in sorted(usable, key=lambda item: str((documents[item].get("properties") or {}).get("datetime"))):
        document = documents[item]
        others = [other for other in relatives.get(acquisition_prefix(item) or "", ()) if other.get("id") != item]
        newer = [str(other["id"]) for other in others if is_newer_version(other, document)]
        if rule is ReprocessingPolicy.REPLACE and newer:
            decision.skipped[item] = f"{newer[0]} is a newer version of it"
            continue
        if rule is ReprocessingPolicy.FIRST:
            older = [str(other["id"]) for other in others if is_older_version(other, document)]
            if _came_first(older, newer, known, list(usable)):
                decision.skipped[item] = f"{(older + newer)[0]} is another version of it, and came first"
                continue
        if len(decision.run) >= most:
            decision.more = True
            break
        decision.run.append(usable[item])
        if rule is ReprocessingPolicy.REPLACE:
            older = [str(other["id"]) for other in others if is_newer_version(document, other)]
            decision.replacing |= dict.fromkeys((other for other in older if other in known), item)
    return decision


def _came_first(older: list[str], newer: list[str], known: Set[str], wanted: Sequence[str]) -> bool:
    """Whether another version came first: one that is known already, or an older one among the wanted items."""
    return any(other in known and other not in wanted for other in older + newer) or any(o in wanted for o in older)


def _relatives(
    wanted: Sequence[str], known: Set[str], documents: dict[str, Document], registry: RegisteredItems
) -> dict[str, list[Document]]:
    """Acquisition -> its items, known and newly found, for the acquisitions of the wanted items."""
    families = {name for item in wanted if (name := acquisition_prefix(item))}
    found: dict[str, dict[str, Document]] = defaultdict(dict)
    for item in documents:
        if (name := acquisition_prefix(item)) in families and name:
            found[name][item] = documents[item]
    # A fast first test: most of 100,000 keys do not begin with the first characters of a wanted acquisition.
    heads = tuple({name[:4] for name in families})
    for item in known if families else ():
        name = acquisition_prefix(item) if item.startswith(heads) else None
        if name in families and name and item not in found[name] and registry.store.registered(item).exists():
            try:
                found[name][item] = registry.find(item).document
            except LandCoverError:
                continue  # an earlier release accepted and registered it: it replaces no item
    return {name: list(items.values()) for name, items in found.items()}


def without(cursor: SearchCursor, gone: Iterable[str], known: Set[str]) -> SearchCursor:
    """Return the position without the old versions in `gone`, and without those that are no partition any more."""
    kept = known - set(gone)
    return replace(cursor, replacing={old: new for old, new in cursor.replacing.items() if old in kept})
