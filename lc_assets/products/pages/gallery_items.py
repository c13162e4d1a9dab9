"""The scenes and season maps of a gallery, read from the STAC items of a store.

An invalid item does not stop the others: `Gallery.faulty` lists it with the reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from lc_assets.core.errors import printable
from lc_assets.core.json_values import is_number, is_percentage
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.products.collection.rows import read_rows
from lc_assets.products.collection.sanitize import CLASS_KEYS
from lc_assets.products.pages.formats import day, percent, utc
from lc_assets.products.pages.locator_map import Ring, outlines
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.store.ids import is_id
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.paths import list_files, read_parallel, reading
from lc_assets.store.product_layout import MAP_SUFFIX
from lc_assets.store.season_layout import MapLayout

_EARLIEST = datetime(1, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class SceneCard:
    """A scene that has a map.

    Attributes:
        tile: MGRS tile, or None.
        moment: acquisition time, UTC.
        hectares: area of the map with No Data; 0 if not known.
        shares: class code -> share of the map (0 to 1), with No Data; empty if not known.
        cloud: cloud cover of the source in percent, or None.
        confidence: mean confidence in percent, or None.
        seconds: how long the scene took, or None.
        rings: outlines of the footprint.
        thumbnail, report: whether the file is in the scene's folder.
        satellite: `S2A`, `S2B`, ...; None if not known.
        synthetic: True if lc_assets made the scene itself.
        title: what the pages call it: `32ULC, 21 June 2024`, and more where other scenes have that too.
    """

    scene: str
    tile: str | None
    moment: datetime
    hectares: float
    shares: dict[int, float]
    cloud: float | None
    confidence: float | None
    seconds: float | None
    rings: tuple[Ring, ...]
    thumbnail: bool
    report: bool
    satellite: str | None = None
    synthetic: bool = False
    title: str = ""

    @property
    def by_share(self) -> list[tuple[int, float]]:
        """Class codes and their shares, the largest first and No Data last."""
        return sorted(self.shares.items(), key=lambda pair: (pair[0] == NO_DATA.code, -pair[1]))

    @property
    def most(self) -> str:
        """The three most frequent classes in words."""
        titles = {c.code: c.title for c in ALL_CLASSES}
        return ", ".join(f"{titles[code]} {percent(share)}" for code, share in self.by_share[:3])

    @property
    def day(self) -> str:
        """Day of the acquisition: `21 June 2024`."""
        return day(self.moment)


@dataclass(frozen=True)
class SeasonCard:
    """A season map.

    Attributes:
        first, last: times of its first and last scene, UTC.
        scenes: number of its scenes.
        report: whether its report is in the store.
        synthetic: True if lc_assets made its scenes itself.
    """

    name: str
    first: datetime
    last: datetime
    scenes: int
    rings: tuple[Ring, ...]
    report: bool
    synthetic: bool


@dataclass(frozen=True)
class Gallery:
    """The scenes and season maps of a store.

    Attributes:
        shown: scenes with a map, the newest first.
        waiting: ids of scenes without a map.
        faulty: id -> the reason why the scene cannot be shown.
        seasons: season maps by name. One whose item cannot be read is left out.
    """

    shown: tuple[SceneCard, ...] = ()
    waiting: tuple[str, ...] = ()
    faulty: dict[str, str] = field(default_factory=dict)
    seasons: tuple[SeasonCard, ...] = ()

    @property
    def years(self) -> list[int]:
        """Years of the scenes of a satellite, in order."""
        return sorted({card.moment.year for card in self.shown if not card.synthetic})


def scene_ids(store: Store) -> list[str]:
    """Return the ids of all scenes with a folder in the store.

    Raises:
        StoreError: the store cannot be read.
    """
    with reading(store.root):
        return [name for name in store.folders() if is_id(name)]


def read_gallery(store: Store) -> Gallery:
    """Read the scenes and season maps of a store, in parallel.

    Raises:
        StoreError: the store cannot be read.
    """
    ids = scene_ids(store)
    with reading(store.root):
        found = read_rows(store, ids)
        with_map = [row["id"].removesuffix(MAP_SUFFIX) for row in found.rows]
        listed = read_parallel(lambda scene: set(list_files(store.scene(scene).folder)), with_map)
        seasons = tuple(filter(None, read_parallel(lambda name: _season(store.map(name)), store.map_names())))
    faulty = dict(found.faulty)
    shown = []
    for scene, row, names in zip(with_map, found.rows, listed, strict=True):
        try:
            shown.append(_card(store.scene(scene), row, names))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
            faulty[scene] = f"{type(error).__name__}: {error}"[:200]
    shown.sort(key=lambda card: (_EARLIEST - card.moment, card.scene))
    return Gallery(tuple(_titled(shown)), tuple(found.missing), faulty, seasons)


def _titled(cards: list[SceneCard]) -> Iterator[SceneCard]:
    """Yield the cards with titles: the shortest of their names that no other card has, or else the longest."""
    names = [_names(card) for card in cards]
    counts = Counter(name for own in names for name in set(own))
    for card, own in zip(cards, names, strict=True):
        title = next((name for name in own if counts[name] == 1), own[-1])
        yield replace(card, title=f"{title}, synthetic" if card.synthetic else title)


def _names(card: SceneCard) -> list[str]:
    """Return names of a scene: tile and day, then with the time, with the satellite, with the id."""
    parts = [card.tile or card.scene, card.day, f"{card.moment:%H:%M:%S} UTC", card.satellite, card.scene]
    return [", ".join(filter(None, parts[:count])) for count in (2, 3, 4, 5)]


def _card(folder: SceneLayout, row: dict[str, Any], names: set[str]) -> SceneCard:
    properties = row["properties"]
    acquisition = acquisition_of({"id": folder.item, "properties": properties})
    areas = properties.get("lc:hectares") or {}
    total = sum(areas.values())
    codes = {key: c.code for key, c in zip(CLASS_KEYS, ALL_CLASSES, strict=True)}
    return SceneCard(
        scene=folder.item,
        tile=acquisition.tile,
        moment=utc(properties["datetime"]),
        hectares=total,
        shares={codes[name]: area / total for name, area in areas.items() if area} if total else {},
        cloud=_valid_percentage(properties.get("eo:cloud_cover")),
        confidence=_valid_percentage(_mean_confidence(row["assets"])),
        seconds=_seconds(properties.get("lc:seconds")),
        rings=outlines(row["geometry"]),
        thumbnail=folder.thumbnail.name in names,
        report=folder.report.name in names,
        satellite=acquisition.satellite,
        synthetic=properties.get("lc:synthetic") is True,
    )


def _season(layout: MapLayout) -> SeasonCard | None:
    """Return a season map; None if its item cannot be read."""
    try:
        item = json.loads(layout.stac_item.read_text(encoding="utf-8"))
        properties = item["properties"]
        times = [utc(properties.get(key) or properties["datetime"]) for key in ("start_datetime", "end_datetime")]
        return SeasonCard(
            name=layout.name,
            first=times[0],
            last=times[1],
            scenes=len(properties.get("lc:scenes") or ()),
            rings=outlines(item["geometry"]),
            report=layout.report.exists(),
            synthetic=properties.get("lc:synthetic") is True,
        )
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError):
        return None


def _mean_confidence(assets: dict[str, Any]) -> Any:
    """Return the mean in the band statistics of the asset `confidence`, or None."""
    try:
        return assets["confidence"]["bands"][0]["statistics"]["mean"]
    except (KeyError, IndexError, TypeError):
        return None


def _valid_percentage(value: Any) -> float | None:
    return float(value) if is_percentage(value) else None


def _seconds(value: Any) -> float | None:
    return float(value) if is_number(value) and value >= 0 else None


def format_gallery(gallery: Gallery) -> list[str]:
    """Return one line for each scene that cannot be shown."""
    return [
        printable(f"{scene} cannot be shown ({why}) -> lc-assets classify {scene}")
        for scene, why in sorted(gallery.faulty.items())
    ]
