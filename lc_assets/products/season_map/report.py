"""The page of a season map: one self-contained HTML file (`products/pages/templates/season.html.j2`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.core.stac import SYNTHETIC
from lc_assets.core.wording import quantity
from lc_assets.products.areas import AreaTable
from lc_assets.products.pages import facts as texts
from lc_assets.products.pages.formats import day, percent, period, text, utc
from lc_assets.products.pages.html import data_url, render
from lc_assets.products.pages.layers import confidence_colours
from lc_assets.products.pages.viewer import View, number_histogram, percent_histogram, viewer
from lc_assets.products.season_map.dates import MapDate
from lc_assets.products.season_map.item import SeasonMap
from lc_assets.products.season_map.pictures import SeasonPictures, number_colours
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.store.layout import Store

MAX_DATES = 12
"""Largest number of dates with a picture."""
MAX_POLYGONS = 50
"""Largest number of polygons in the table of the page."""


def season_page(made: SeasonMap, dates: Sequence[MapDate], pictures: SeasonPictures, store: Store) -> bytes:
    """Return the page. It links to the files in the same folder, and to the reports of scenes in the store.

    Args:
        made: the map. Its `files` are those beside the page.
        dates: its dates, from the earliest to the latest.
        pictures: its pictures, and those of the dates that have `codes`.
    """
    grid = made.grid
    times = [utc(date.time) for date in dates]
    total = max(int(made.pixels.sum()), 1)
    page = render(
        "season.html.j2",
        name=text(made.layout.name),
        summary=texts.summary(made.pixels, grid.pixel_area),
        origin=f"{_scenes(dates)}, {period(times[0], times[-1])}",
        pictures=pictures,
        **viewer(_views(pictures), pictures.grid, grid),
        pixels=made.pixels,
        shares=(made.pixels / total).tolist(),
        pixel_area=grid.pixel_area,
        no_data_reasons=[],
        map_resolution=grid.resolution,
        ground=texts.ground_of_a_class(made.tags, grid.resolution),
        date_width=100 * pictures.coarser * pictures.dates_grid.width / pictures.grid.width,
        date_height=100 * pictures.coarser * pictures.dates_grid.height / pictures.grid.height,
        cards=_cards(dates, times, pictures.dates),
        dates=[_row(date, time, store) for date, time in zip(dates, times, strict=True)],
        confidence=percent_histogram(pictures.confidence_counts, "confidence", confidence_colours()),
        stability=percent_histogram(pictures.stability_counts, "stability", confidence_colours()),
        observations=number_histogram(
            pictures.observations_counts, "the number of dates of a pixel", number_colours(pictures.most)
        ),
        hectares=_hectares(made.areas, grid.pixel_area),
        polygons=_polygons(made, grid.pixel_area),
        polygons_left_out=max(0, len(made.area) - MAX_POLYGONS),
        map_rows=_map_rows(made, dates),
        files=_files(made),
        software=texts.software_rows(made.software),
        synthetic=SYNTHETIC if made.is_synthetic else "",
        years=[] if made.is_synthetic else sorted({time.year for time in times}),
        made=text(f"Made by lc_assets {made.software.get('lc_assets', '')} on {texts.moment(made.created)}."),
    )
    return page.encode()


def _views(pictures: SeasonPictures) -> list[View]:
    def percents(key: str, alt: str, picture: bytes) -> View:
        title = key.capitalize()
        return View(key, title, alt, data_url("image/png", picture), title, unit=" %", most=100, step=pictures.step)

    return [
        View("date", "Date", "The classes of one date", reading="On the date", coarser=pictures.coarser),
        View("classes", "Season", "The map of the season", data_url("image/png", pictures.classes), "Class"),
        percents("confidence", "The confidence of the map", pictures.confidence),
        View(
            "observations",
            "Observations",
            "The number of dates that see the ground",
            data_url("image/png", pictures.observations),
            "Observations",
            unit="",
            most=pictures.most,
        ),
        percents("stability", "The share of these dates that agree with the map", pictures.stability),
    ]


def _scenes(dates: Sequence[MapDate]) -> str:
    scenes = sum(len(date.scenes) for date in dates)
    return f"{quantity(len(dates), 'date')} ({quantity(scenes, 'scene')})"


def _cards(dates: Sequence[MapDate], times: Sequence[datetime], pictures: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the dates that are shown. Where a day has several dates, their titles have the hour too."""
    days = [day(time) for time in times]
    shown = [number for number, date in enumerate(dates) if date.codes is not None]
    cards = []
    for number, picture in zip(shown, pictures, strict=True):
        date, codes = dates[number], dates[number].codes
        assert codes is not None
        counts = np.bincount(codes.ravel(), minlength=len(ALL_CLASSES))[: len(CLASSES)]
        several = days.count(days[number]) > 1
        cards.append(
            {
                "title": f"{days[number]}, {times[number]:%H:%M} UTC" if several else days[number],
                "sees": percent(date.sees),
                "most": texts.frequent_classes(counts, int(counts.sum())),
                "src": data_url("image/png", picture),
            }
        )
    return cards


def _row(date: MapDate, time: datetime, store: Store) -> dict[str, Any]:
    satellites = sorted({acquisition_of(scene.document).satellite or "" for scene in date.scenes} - {""})
    return {
        "day": day(time),
        "time": f"{time:%H:%M}",
        "satellite": ", ".join(satellites),
        "sees": percent(date.sees),
        "agrees": percent(date.agrees) if date.agrees is not None else "\N{EN DASH}",
        "scenes": [
            (scene.item, store.scene(scene.item).report.exists())
            for scene in sorted(date.scenes, key=lambda scene: scene.item)
        ],
    }


def _hectares(areas: AreaTable, pixel_area: float) -> list[dict[str, Any]]:
    """Return the rows of the classes that the whole area has or may have: the last row of the table."""
    return [
        {
            "class": c,
            **{
                part: float(getattr(areas, part)[-1, c.code]) * pixel_area
                for part in ("counted", "expected", "low", "high")
            },
        }
        for c in CLASSES
        if areas.counted[-1, c.code] or areas.high[-1, c.code] * pixel_area >= 0.05
    ]


def _polygons(made: SeasonMap, pixel_area: float) -> dict[str, Any] | None:
    """Return the counted hectares of each polygon; None for one polygon, which is the whole area."""
    if len(made.area) < 2:
        return None
    present = [c for c in ALL_CLASSES if made.areas.counted[:-1, c.code].any()]
    rows = [
        {
            "name": text(name),
            "whole": int(counted.sum()) * pixel_area,
            "hectares": [int(counted[c.code]) * pixel_area for c in present],
        }
        for name, counted in zip(made.area.names[:MAX_POLYGONS], made.areas.counted, strict=False)
    ]
    return {"classes": present, "rows": rows}


def _map_rows(made: SeasonMap, dates: Sequence[MapDate]) -> list[tuple[str, str]]:
    grid, tags = made.grid, made.tags
    ground = texts.ground_of_a_class(tags, grid.resolution)
    mean = "no pixel has a class" if made.mean_confidence is None else f"{made.mean_confidence:.0f} %"
    return [
        ("Dates", _scenes(dates)),
        ("Model", text(tags["MODEL"])),
        *texts.grid_rows(grid),
        ("Positions", text(f"every {tags['STRIDE']} pixels")),
        *([("Judged from", ground)] if ground else []),
        ("Pooling exponent", text(tags["POOLING_EXPONENT"])),
        ("Mean confidence", mean),
        ("Polygons", f"{len(made.area):,}"),
    ]


def _files(made: SeasonMap) -> list[tuple[str, str]]:
    """Return text and name of the files that the page links to."""
    layout = made.layout
    listed = [
        ("Class map (GeoTIFF)", layout.classified),
        ("Confidence (GeoTIFF)", layout.confidence),
        ("Observations (GeoTIFF)", layout.observations),
        ("Stability (GeoTIFF)", layout.stability),
        ("Class probabilities (GeoTIFF)", layout.probabilities),
        ("Overview (GeoTIFF)", layout.overview),
        ("Picture with legend (PNG)", layout.thumbnail),
        ("The area (GeoJSON)", layout.area),
        ("Hectares of each polygon (CSV)", layout.areas),
        ("Hectares and polygons (GeoParquet)", layout.areas_parquet),
        ("The map as polygons (GeoPackage)", layout.polygons),
        ("The map as polygons (GeoParquet)", layout.polygons_parquet),
    ]
    links = [(words, path.name) for words, path in listed if path.name in made.files]
    return [*links, ("STAC item", layout.stac_item.name), ("STAC catalog", layout.catalog.name)]
