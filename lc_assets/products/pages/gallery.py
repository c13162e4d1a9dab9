"""The gallery: all scenes of a store on one page, with thumbnails and a map (`templates/gallery.html.j2`).

The page is `index.html` in the store's root. It links to files of the store and requests nothing else.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

import lc_assets
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA, LandCover
from lc_assets.core.wording import quantity
from lc_assets.products.pages.formats import period, text
from lc_assets.products.pages.gallery_items import Gallery, SceneCard, SeasonCard
from lc_assets.products.pages.html import data_url, render
from lc_assets.products.pages.locator_map import MapMarker, Ring, extent_of, locator_svg
from lc_assets.raster.render import encode_image
from lc_assets.store.layout import ALL_SCENES, Store
from lc_assets.store.paths import read_parallel

_ROOT = Store(Path())
"""A store for paths relative to the store's root."""
_SMALL = (320, 240)
"""Largest size of an embedded thumbnail, in pixels."""
_MAX_EMBEDDED = 100


def gallery_page(
    gallery: Gallery,
    location: str,
    picture: Callable[[SceneCard], str | None],
    *,
    linked: bool,
    served: bool = False,
) -> bytes:
    """Return the HTML of the gallery.

    Args:
        location: path or URL of the store.
        picture: function from a scene to the URL of its thumbnail, or None.
        linked: whether the scenes' reports can be reached from the page.
        served: whether the server of `lc-assets ui` shows the page, which also has the zoomable map.

    Raises:
        LandCoverError: the land mask of the map is not installed correctly.
    """
    by_marker = _by_marker(gallery.shown)
    marker_of = {card.scene: key for key, cards in by_marker.items() for card in cards}
    extent = extent_of([ring for card in gallery.shown for ring in card.rings])
    markers = [_marker(key, cards, linked) for key, cards in by_marker.items()]
    page = render(
        "gallery.html.j2",
        summary=summary(gallery),
        linked=linked,
        served=served,
        present=present_classes(gallery.shown),
        shape=f"1000/{extent.height:.0f}",
        locator=locator_svg(markers, extent) if markers else "",
        cards=[_card(card, marker_of[card.scene], picture(card), linked) for card in gallery.shown],
        seasons=[_season(card, linked) for card in gallery.seasons],
        copy_of=None if linked else f"{text(location)}/{ALL_SCENES}",
        waiting=gallery.waiting,
        faulty=[f"{scene}: {why}" for scene, why in sorted(gallery.faulty.items())],
        years=gallery.years,
        version=lc_assets.__version__,
    )
    return page.encode()


def _by_marker(shown: Iterable[SceneCard]) -> dict[str, list[SceneCard]]:
    """Return the scenes by marker of the map: one marker per tile, and per footprint of scenes without a tile."""
    found: dict[tuple[str, tuple[Ring, ...]], list[SceneCard]] = defaultdict(list)
    for card in shown:
        found[(card.tile, ()) if card.tile else ("", card.rings)].append(card)
    return {f"p{number}": cards for number, cards in enumerate(found.values())}


def _marker(key: str, cards: Sequence[SceneCard], linked: bool) -> MapMarker:
    """Return a marker, which links to the report of its only scene, or to the first of its cards."""
    first = cards[0]
    label = first.title if len(cards) == 1 else f"{first.tile or first.scene}, {len(cards)} scenes"
    href = report_href(first) if linked and len(cards) == 1 and first.report else f"#{_anchor(first)}"
    return MapMarker(key, href, label, max((card.rings for card in cards), key=_size))


def _size(rings: tuple[Ring, ...]) -> float:
    """Return the sum of the outlines' widths and heights. The largest footprint of a tile is not cut by the swath."""
    return sum(max(p[n] for p in ring) - min(p[n] for p in ring) for ring in rings for n in (0, 1))


def _anchor(card: SceneCard) -> str:
    return f"scene-{quote(card.scene)}"


def report_href(card: SceneCard) -> str:
    """Return the path of a scene's report, relative to the store's root."""
    return quote(str(_ROOT.scene(card.scene).report))


def _card(card: SceneCard, marker: str, picture: str | None, linked: bool) -> dict[str, Any]:
    """Return the values of a card. `time`, `tile`, `shares` and `search_text` are for the script."""
    ordered = card.by_share
    starts = accumulate((share for _, share in ordered), initial=0.0)
    facts = [
        f"cloud {card.cloud:.0f} %" if card.cloud is not None else "",
        f"confidence {card.confidence:.0f} %" if card.confidence is not None else "",
        "" if card.report else "no report yet",
    ]
    return {
        "scene": card.scene,
        "title": card.title,
        "anchor": _anchor(card),
        "href": report_href(card) if linked and card.report else None,
        "picture": picture,
        "marker": marker,
        "bar": [
            {"code": code, "start": 100 * start, "width": 100 * share}
            for (code, share), start in zip(ordered, starts, strict=False)
        ],
        "most": card.most,
        "facts": " · ".join(filter(None, facts)),
        "time": f"{card.moment.timestamp():.0f}",
        "tile": card.tile or "",
        "shares": ",".join(f"{code}:{share:.4f}" for code, share in card.shares.items()),
        "search_text": f"{card.scene} {card.tile or ''} {card.moment:%Y-%m-%d} {card.day}".lower(),
    }


def _season(card: SeasonCard, linked: bool) -> dict[str, Any]:
    return {
        "name": card.name,
        "href": quote(str(_ROOT.map(card.name).report)) if linked and card.report else None,
        "facts": f"{period(card.first, card.last)}, {quantity(card.scenes, 'scene')}"
        + (", synthetic" if card.synthetic else ""),
    }


def summary(gallery: Gallery) -> str:
    """Return the number of tiles and the dates."""
    if not gallery.shown:
        return "No scene has a map yet: lc-assets classify makes one."
    times = sorted(card.moment for card in gallery.shown)
    tiles = len({card.tile for card in gallery.shown if card.tile})
    when = period(times[0], times[-1])
    return f"{quantity(tiles, 'tile')}, {when}." if tiles else f"{when}."


def present_classes(shown: Iterable[SceneCard]) -> list[LandCover]:
    """Return the classes that occur in any map, the most frequent first and No Data last."""
    total: dict[int, float] = defaultdict(float)
    for card in shown:
        for code, share in card.shares.items():
            total[code] += share
    return sorted((c for c in ALL_CLASSES if total[c.code]), key=lambda c: (c is NO_DATA, -total[c.code]))


def thumbnail_href(card: SceneCard) -> str | None:
    """Return the path of a thumbnail, relative to the store's root."""
    return quote(str(_ROOT.scene(card.scene).thumbnail)) if card.thumbnail else None


def embedded_thumbnails(store: Store, gallery: Gallery) -> Callable[[SceneCard], str | None]:
    """Return a function from a scene to a small thumbnail as data URL, for a page outside of its store.

    Only the newest scenes have one."""

    def read(card: SceneCard) -> str | None:
        try:
            with Image.open(io.BytesIO(store.scene(card.scene).thumbnail.read_bytes())) as image:
                small = image.convert("RGB")
            small.thumbnail(_SMALL)
            return data_url("image/webp", encode_image(small, "WEBP", quality=70))
        except (OSError, ValueError):  # deleted in the meantime, or not an image
            return None

    wanted = [card for card in gallery.shown if card.thumbnail][:_MAX_EMBEDDED]
    urls = dict(zip((card.scene for card in wanted), read_parallel(read, wanted), strict=True))
    return lambda card: urls.get(card.scene)
