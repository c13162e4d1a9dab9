"""All scenes of a store on one page: thumbnails beside a map of where they are.

`<store>/index.html` is written whole, and links to what lies below it; it asks nothing beyond the store. What an Item
says is escaped wherever it is put: it stays text.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from string import Template
from urllib.parse import quote

from PIL import Image

import lc_assets
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA, LandCover
from lc_assets.products.pages.facts import percent, text
from lc_assets.products.pages.gallery_items import Gallery, SceneCard
from lc_assets.products.pages.html import data_url, policy, template
from lc_assets.products.pages.locator_map import MapMarker, Ring, extent_of, locator_svg
from lc_assets.raster.render import encoded
from lc_assets.store.layout import Store

PAGE = "index.html"
"""Its name in the store's root."""
_READERS = 16
_SMALL = (320, 240)
"""Largest embedded thumbnail, in pixels."""
_MOST_EMBEDDED = 100
_MOST_NAMED = 20
"""Of scenes that cannot be shown."""


def gallery_page(gallery: Gallery, place: str, picture: Callable[[SceneCard], str | None], *, linked: bool) -> bytes:
    """The page.

    Args:
        gallery: what it shows.
        place: of the store.
        picture: URL of a scene's thumbnail, where there is one.
        linked: whether the scenes' own pages can be reached from where the page lies.

    Raises:
        LandCoverError: the locator's land mask is not installed as it should be.
    """
    places = _places(gallery.shown)
    where = {one.scene: key for key, scenes in places.items() for one in scenes}
    cards = "\n".join(_card(one, where[one.scene], picture(one), linked) for one in gallery.shown)
    spots = [_spot(key, scenes, linked) for key, scenes in places.items()]
    extent = extent_of([ring for one in gallery.shown for ring in one.rings])
    colours = "".join(f".k{c.code}{{fill:#{c.hex};background:#{c.hex}}}" for c in ALL_CLASSES)
    ratio = f".locator{{aspect-ratio:1000/{extent.height:.0f}}}"
    style = "".join((template("base.css"), colours, ratio, template("gallery.css")))
    script = template("gallery.js")
    page = Template(template("gallery.html")).substitute(
        policy=policy(style, script, "'self' file: data:"),
        style=style,
        count=_count(len(gallery.shown), "scene"),
        lede=escape(_lede(gallery)),
        locator=locator_svg(spots, extent) if spots else "",
        legend=_legend(gallery.shown),
        sorts=_sorts(gallery.shown),
        cards=cards,
        copied="" if linked else _copied(place),
        others=_others(gallery),
        notice=escape(_notice(gallery)),
        script=script,
    )
    return page.encode()


def _copied(place: str) -> str:
    return (
        f'<p class="note">This is a copy of {escape(text(place))}/{PAGE}, without links: '
        "<code>lc-assets view</code> with a scene's id opens its report.</p>"
    )


def _places(shown: Iterable[SceneCard]) -> dict[str, list[SceneCard]]:
    """Scenes of one tile, or of no known one and one footprint, are one spot of the map."""
    found: dict[tuple[str, tuple[Ring, ...]], list[SceneCard]] = defaultdict(list)
    for one in shown:
        found[(one.tile, ()) if one.tile else ("", one.rings)].append(one)
    return {f"p{number}": scenes for number, scenes in enumerate(found.values())}


def _spot(key: str, scenes: Sequence[SceneCard], linked: bool) -> MapMarker:
    first = scenes[0]
    label = first.title if len(scenes) == 1 else f"{first.tile or first.scene}, {len(scenes)} scenes"
    alone = linked and len(scenes) == 1 and first.report
    rings = max((one.rings for one in scenes), key=_size)
    return MapMarker(key, _report(first) if alone else f"#{_anchor(first)}", label, rings)


def _size(rings: tuple[Ring, ...]) -> float:
    """How far outlines reach: of a tile's scenes, one that the swath's edge cuts is not the one to draw."""
    return sum(max(p[n] for p in ring) - min(p[n] for p in ring) for ring in rings for n in (0, 1))


def _anchor(one: SceneCard) -> str:
    return f"scene-{quote(one.scene)}"


def _report(one: SceneCard) -> str:
    return f"scenes/{quote(one.scene)}/report.html"


def _card(one: SceneCard, spot: str, picture: str | None, linked: bool) -> str:
    words = escape(one.title)
    title = f'<a href="{_report(one)}">{words}</a>' if linked and one.report else words
    shown = f'<img src="{escape(picture)}" alt="" loading="lazy" decoding="async">' if picture else "<i></i>"
    facts = [
        f"cloud {one.cloud:.0f} %" if one.cloud is not None else "",
        f"confidence {one.confidence:.0f} %" if one.confidence is not None else "",
        "" if one.report else "no report yet",
    ]
    searched = f"{one.scene} {one.tile or ''} {one.moment:%Y-%m-%d} {one.day}".lower()
    listed = ",".join(f"{code}:{share:.4f}" for code, share in one.shares.items())
    return (
        f'<li class="card" id="{_anchor(one)}" data-spot="{spot}" data-time="{one.moment.timestamp():.0f}" '
        f'data-tile="{escape(one.tile or "")}" data-shares="{listed}" data-text="{escape(searched)}">'
        f'<div class="thumb">{shown}</div>{_bar(one)}<h3>{title}</h3>{_most(one)}'
        f'<p class="facts">{" · ".join(filter(None, facts)) or "&nbsp;"}</p><p class="id">{escape(one.scene)}</p></li>'
    )


def _bar(one: SceneCard) -> str:
    """Shares of the classes as one bar; `_most` is its text."""
    x, parts = 0.0, []
    for code, share in _ordered(one):
        parts.append(f'<rect class="k{code}" x="{100 * x:.2f}" width="{100 * share:.2f}" height="1"/>')
        x += share
    inner = "".join(parts)
    return f'<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">{inner}</svg>'


def _most(one: SceneCard) -> str:
    titles = {c.code: c.title for c in ALL_CLASSES}
    words = ", ".join(f"{titles[code]} {percent(share)}" for code, share in _ordered(one)[:3])
    return f'<p class="most">{escape(words) or "Areas are not known"}</p>'


def _ordered(one: SceneCard) -> list[tuple[int, float]]:
    """The greatest share first, No Data last."""
    return sorted(one.shares.items(), key=lambda pair: (pair[0] == NO_DATA.code, -pair[1]))


def _lede(gallery: Gallery) -> str:
    if not gallery.shown:
        return "No scene has a map yet: lc-assets classify makes one."
    days = sorted(one.moment for one in gallery.shown)
    tiles = len({one.tile for one in gallery.shown if one.tile})
    begin, end = (f"{day.day} {day:%B %Y}" for day in (days[0], days[-1]))
    when = begin if begin == end else f"{begin} to {end}"
    return f"{_count(tiles, 'tile')}, {when}." if tiles else f"{when}."


def _notice(gallery: Gallery) -> str:
    """What Copernicus asks for, and whose the land is."""
    years = sorted({one.moment.year for one in gallery.shown})
    copernicus = f"Contains modified Copernicus Sentinel data {_years(years)}. " if years else ""
    return f"{copernicus}Land on the map: NOAA GLOBE, by global-land-mask. Made by lc_assets {lc_assets.__version__}."


def _years(years: Sequence[int]) -> str:
    return str(years[0]) if len(years) == 1 else f"{years[0]} to {years[-1]}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _present(shown: Iterable[SceneCard]) -> list[LandCover]:
    """Classes that any map has, the most frequent first; No Data last."""
    total: dict[int, float] = defaultdict(float)
    for one in shown:
        for code, share in one.shares.items():
            total[code] += share
    return sorted((c for c in ALL_CLASSES if total[c.code]), key=lambda c: (c is NO_DATA, -total[c.code]))


def _legend(shown: Iterable[SceneCard]) -> str:
    return "".join(f'<li><i class="k{c.code}"></i>{escape(c.title)}</li>' for c in _present(shown))


def _sorts(shown: Iterable[SceneCard]) -> str:
    return "".join(f'<option value="{c.code}">Most {escape(c.title.lower())}</option>' for c in _present(shown))


def _others(gallery: Gallery) -> str:
    """Scenes that are not shown, and why."""
    parts = []
    for words, lines in (
        ("without a map yet", list(gallery.waiting)),
        ("that cannot be shown", [f"{scene}: {why}" for scene, why in sorted(gallery.faulty.items())]),
    ):
        if lines:
            listed = "".join(f"<li>{escape(text(line))}</li>" for line in lines[:_MOST_NAMED])
            more = f"<li>and {len(lines) - _MOST_NAMED:,} more</li>" if len(lines) > _MOST_NAMED else ""
            parts.append(
                f"<details><summary>{_count(len(lines), 'scene')} {words}</summary><ul>{listed}{more}</ul></details>"
            )
    return "".join(parts)


def beside(one: SceneCard) -> str | None:
    """URL of a thumbnail for the page in the store's root."""
    name = quote(f"{one.scene}_thumbnail.png")
    return f"scenes/{quote(one.scene)}/{name}" if one.thumbnail else None


def embedded(store: Store, gallery: Gallery) -> Callable[[SceneCard], str | None]:
    """Thumbnails as part of the page, small, of the newest scenes: for a page that does not lie beside its store."""

    def read(one: SceneCard) -> str | None:
        try:
            with Image.open(io.BytesIO(store.scene(one.scene).thumbnail.read_bytes())) as image:
                small = image.convert("RGB")
            small.thumbnail(_SMALL)
            return data_url("webp", encoded(small, "WEBP", quality=70))
        except (OSError, ValueError):  # gone meanwhile, or no picture
            return None

    wanted = [one for one in gallery.shown if one.thumbnail][:_MOST_EMBEDDED]
    with ThreadPoolExecutor(_READERS, thread_name_prefix="thumbnails") as pool:
        urls = dict(zip((one.scene for one in wanted), pool.map(read, wanted), strict=True))
    return lambda one: urls.get(one.scene)
