"""The scenes of a store, as the page of all scenes shows them: read from their STAC Items.

Those are anybody's: what is no usable Item is named, and does not keep the others from being shown.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from pystac.utils import str_to_datetime

from lc_assets.core.errors import StoreError, printable
from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.products.collection.rows import SUFFIX, read_rows
from lc_assets.products.collection.sanitize import CLASS_KEYS
from lc_assets.products.pages.locator_map import Ring, outlines
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.store.ids import is_id
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.paths import list_files

_READERS = 16
_BEGINNING = datetime(1, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class SceneCard:
    """A scene with a map.

    Attributes:
        scene: its id.
        tile: MGRS tile, or None.
        moment: of the acquisition, UTC.
        shares: class code -> share of the map (0..1), No Data too; empty where it is not known.
        cloud: percent of the source, or None.
        confidence: percent, the mean, or None.
        rings: the footprint.
        thumbnail, report: whether they lie in its folder.
    """

    scene: str
    tile: str | None
    moment: datetime
    shares: dict[int, float]
    cloud: float | None
    confidence: float | None
    rings: tuple[Ring, ...]
    thumbnail: bool
    report: bool

    @property
    def title(self) -> str:
        """Tile, or id, and day."""
        return f"{self.tile or self.scene}, {self.day}"

    @property
    def day(self) -> str:
        """Readable: `21 June 2024`."""
        return f"{self.moment.day} {self.moment:%B %Y}"


@dataclass(frozen=True)
class Gallery:
    """What a store has.

    Attributes:
        shown: scenes with a map, the newest first.
        waiting: ids of scenes that have none yet.
        faulty: id -> why it cannot be shown.
    """

    shown: tuple[SceneCard, ...] = ()
    waiting: tuple[str, ...] = ()
    faulty: dict[str, str] = field(default_factory=dict)


def scene_ids(store: Store) -> list[str]:
    """Ids of all scenes that have a folder in the store.

    Raises:
        StoreError: the store cannot be read.
    """
    try:
        return [name for name in store.folders() if is_id(name)]
    except OSError as error:
        raise _unreadable(error, store) from None


def _unreadable(error: OSError, store: Store) -> StoreError:
    return StoreError(
        f"{store.root} cannot be read ({error.strerror or error})",
        remedy="check that the store (--store) is there, and that you may read it",
        transient=not isinstance(error, PermissionError),
    )


def read_gallery(store: Store) -> Gallery:
    """Read the scenes of a store, several at once.

    Raises:
        StoreError: the store cannot be read.
    """
    ids = scene_ids(store)
    try:
        found = read_rows(store, ids)
        with ThreadPoolExecutor(_READERS, thread_name_prefix="scenes") as pool:
            there = [row["id"].removesuffix(SUFFIX) for row in found.rows]
            listed = pool.map(lambda scene: set(list_files(store.scene(scene).folder)), there)
            names = dict(zip(there, listed, strict=True))
    except OSError as error:
        raise _unreadable(error, store) from None
    faulty = dict(found.faulty)
    shown = []
    for row in found.rows:
        scene = row["id"].removesuffix(SUFFIX)
        try:
            shown.append(_shown(store.scene(scene), row, names[scene]))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
            faulty[scene] = f"{type(error).__name__}: {error}"[:200]
    shown.sort(key=lambda one: (_BEGINNING - one.moment, one.scene))
    return Gallery(tuple(shown), tuple(found.gone), faulty)


def _shown(folder: SceneLayout, row: dict[str, Any], names: set[str]) -> SceneCard:
    properties = row["properties"]
    moment = str_to_datetime(properties["datetime"])
    areas = properties.get("lc:hectares") or {}
    total = sum(areas.values())
    codes = {key: c.code for key, c in zip(CLASS_KEYS, ALL_CLASSES, strict=True)}
    return SceneCard(
        scene=folder.item,
        tile=acquisition_of({"id": folder.item, "properties": properties}).tile,
        moment=moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc),
        shares={codes[name]: area / total for name, area in areas.items() if area} if total else {},
        cloud=_percent(properties.get("eo:cloud_cover")),
        confidence=_percent(_mean_confidence(row["assets"])),
        rings=outlines(row["geometry"]),
        thumbnail=folder.thumbnail.name in names,
        report=folder.report.name in names,
    )


def _mean_confidence(assets: dict[str, Any]) -> Any:
    """As STAC has it: the mean in the statistics of the confidence's one band."""
    try:
        return assets["confidence"]["bands"][0]["statistics"]["mean"]
    except (KeyError, IndexError, TypeError):
        return None


def _percent(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 100 else None


def told(gallery: Gallery) -> list[str]:
    """What to say of the scenes that cannot be shown, a line each."""
    return [printable(f"{scene} cannot be shown ({why})") for scene, why in sorted(gallery.faulty.items())]
