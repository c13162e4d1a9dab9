"""Make a season map and write it into the store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely

from lc_assets.core.checksum import sha256_of_files
from lc_assets.core.errors import BadReference, StoreError
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.products.areas import AreaTable
from lc_assets.products.overview import OverviewPlan, choose_factor
from lc_assets.products.polygons import check_min_area, write_polygons
from lc_assets.products.season_map.dates import read_dates
from lc_assets.products.season_map.fusion import STABILITY_NODATA, Fusion
from lc_assets.products.season_map.grid import MapGrid, check_area, checked_crs, grid_of, utm_zone
from lc_assets.products.season_map.item import SeasonMap, build_item
from lc_assets.products.season_map.pictures import build_pictures
from lc_assets.products.season_map.pooling import EXPONENT
from lc_assets.products.season_map.report import MAX_DATES, season_page
from lc_assets.products.season_map.scenes import MappedScene, newest_versions, open_scenes
from lc_assets.products.stac.catalog import catalog_files
from lc_assets.products.stac.map_item import ProductFile
from lc_assets.products.stac.provenance import now, software
from lc_assets.products.stac.store_catalog import link_season_maps
from lc_assets.raster.cog import class_cog, confidence_cog, number_cog, probability_cog
from lc_assets.raster.geoparquet import write_geoparquet
from lc_assets.raster.legend import class_entries, write_legend
from lc_assets.raster.polygons import DEGREES, Polygons
from lc_assets.sentinel2.band_table import PIXEL_SIZE
from lc_assets.store.atomic import atomic_output
from lc_assets.store.exclusive import exclusive
from lc_assets.store.layout import Store
from lc_assets.store.product_layout import pam_file, style_file
from lc_assets.store.season_layout import MapLayout

_TAGS = ("MODEL", "MODEL_SHA256", "MODEL_FINGERPRINT", "STRIDE", "RECEPTIVE_FIELD")
"""Tags that a season map takes from the maps of its scenes."""


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        pixels: (11,) pixels of each code inside the area, No Data last.
        pixel_area: area of a pixel in hectares.
        scenes: ids of the scenes that were used.
        dates: number of dates.
        replaced: scene that was left out -> the later processing that was used instead.
        beside: ids of the scenes that do not touch the area.
        mean_confidence: in percent; None if no pixel has a class.
        version: SHA-256 of the rasters: equal for maps with equal pixels and tags.
    """

    layout: MapLayout
    pixels: np.ndarray
    pixel_area: float
    scenes: tuple[str, ...]
    dates: int
    replaced: dict[str, str]
    beside: tuple[str, ...]
    mean_confidence: float | None
    version: str


def make_season_map(
    store: Store,
    name: str,
    area: Polygons,
    items: Sequence[str],
    *,
    crs: str | None = None,
    min_area: float | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Made:
    """Fuse the maps of scenes over an area, and write the map into the store. An earlier map of this name is replaced.

    Args:
        area: its polygons.
        items: ids of scenes that have a map.
        crs: CRS of the map; by default the UTM zone of the area's centre.
        min_area: area in hectares of the smallest polygon in `polygons.gpkg` and `polygons.parquet`; None writes no
            polygons.
        progress: called with the share of the area's blocks that are done.

    Raises:
        BadReference: the area, the name or the CRS cannot be used.
        StoreError: there is no scene, a scene has no map that can be fused, or the store cannot be written.
    """
    layout = store.map(name)
    placed = area.to(utm_zone(area) if crs is None else checked_crs(crs))
    check_area(placed)
    if min_area is not None:
        check_min_area(min_area)
    opened = open_scenes(store, items, placed)
    touching, replaced = newest_versions(opened)
    if not touching:
        west, south, east, north = shapely.total_bounds(area.to(DEGREES).shapes)
        raise StoreError(
            f"no classified scene touches the area ({west:.2f} to {east:.2f} degrees east, {south:.2f} to {north:.2f} "
            "north)",
            season_map=name,
            remedy="classify scenes of the area first; if it should be elsewhere, check its file or box",
        )
    grid = _grid(touching, placed)
    fusion = Fusion(store, touching, grid, placed)
    tags = {
        "MAP": name,
        "SCENES": " ".join(scene.item for scene in touching),
        "DATES": str(len(fusion.dates)),
        "POOLING_EXPONENT": str(EXPONENT),
        **{tag: touching[0].classes.tags[tag] for tag in _TAGS if tag in touching[0].classes.tags},
    }
    with (
        exclusive(layout.incoming, name, "season_map", layout.lease) as check,
        atomic_output(layout.folder, item=name, asset="season_map", last=layout.catalog.name, check=check) as stage,
    ):
        pixels, confidence, version = _write(store, stage, layout, fusion, area, tags, min_area, progress)
        check()
        # A map without its catalog, which is moved last, is not complete: its files may be of two maps.
        layout.catalog.unlink(missing_ok=True)
        if min_area is None:
            for path in (layout.polygons, layout.polygons_parquet):
                path.unlink(missing_ok=True)
    link_season_maps(store)
    used = tuple(scene.item for scene in touching)
    beside = tuple(item for item in items if item not in {scene.item for scene in opened})
    return Made(layout, pixels, grid.map.pixel_area, used, len(fusion.dates), replaced, beside, confidence, version)


def _write(
    store: Store,
    stage: Path,
    layout: MapLayout,
    fusion: Fusion,
    area: Polygons,
    tags: dict[str, str],
    min_area: float | None,
    progress: Callable[[float], None],
) -> tuple[np.ndarray, float | None, str]:
    """Write all files of a map; return the pixels of each code inside the area, the mean confidence, and the SHA-256 of
    the rasters."""
    grid = fusion.grid.map
    table, pixels, confidence = _write_rasters(stage, layout, fusion, tags, progress)
    version = sha256_of_files(stage.iterdir())
    if not pixels.any():
        raise BadReference("the area holds no centre of a pixel of 10 m", remedy="choose a larger one")
    classified = stage / layout.classified.name
    factor = choose_factor(grid)
    plan = OverviewPlan(layout.name, classified, grid, pixels, {**tags, "OVERVIEW_FACTOR": str(factor)}, factor)
    plan.write(stage / layout.overview.name, stage / layout.thumbnail.name)
    overview = plan.grid
    write_legend(class_entries(pixels, grid.pixel_area), pam_file(classified), style_file(classified))
    if min_area is not None:
        rasters = (classified, stage / layout.confidence.name)
        write_polygons(stage / layout.polygons.name, stage / layout.polygons_parquet.name, *rasters, min_area)
    (stage / layout.area.name).write_text(json.dumps(area.to(DEGREES).geojson()) + "\n", encoding="utf-8")
    (stage / layout.areas.name).write_text(table.csv(area.names, grid.pixel_area), encoding="utf-8")
    columns = table.columns(area.names, grid.pixel_area)
    write_geoparquet(stage / layout.areas_parquet.name, fusion.area.shapes, columns, grid.crs)
    staged = MapLayout(layout.name, stage)
    with rasterio.open(staged.overview, OVERVIEW_LEVEL="NONE") as dataset:
        dates = read_dates(store, fusion.dates, dataset.read(1), overview, MAX_DATES)
    made = SeasonMap(
        layout=layout,
        files={path.name: ProductFile.of(path) for path in stage.iterdir()},
        grid=grid,
        overview_grid=overview,
        pixels=pixels,
        created=now(),
        software=software(),
        mean_confidence=confidence,
        area=area,
        areas=table,
        scenes=fusion.scenes,
        tags=tags,
    )
    staged.report.write_bytes(season_page(made, dates, build_pictures(staged, grid, overview, dates), store))
    made.files[layout.report.name] = ProductFile.of(stage / layout.report.name)
    for file, content in catalog_files(build_item(made)).items():
        (stage / file).write_bytes(content)
    return pixels, confidence, version


def _grid(scenes: Sequence[MappedScene], area: Polygons) -> MapGrid:
    """Return the grid of the map. Its cells are those of most scenes that are in the CRS of the map."""
    step = scenes[0].step
    corners = Counter(
        (scene.classes.grid.transform.c % (step * PIXEL_SIZE), scene.classes.grid.transform.f % (step * PIXEL_SIZE))
        for scene in scenes
        if scene.classes.grid.crs == area.crs
    )
    return grid_of(area, step, corners.most_common(1)[0][0] if corners else (0, 0))


def _write_rasters(
    stage: Path, layout: MapLayout, fusion: Fusion, tags: dict[str, str], progress: Callable[[float], None]
) -> tuple[AreaTable, np.ndarray, float | None]:
    """Write the rasters; return the areas, the pixels of each code inside the area, and the mean confidence."""
    grid, cells = fusion.grid.map, fusion.grid.map.coarsened(fusion.grid.step)
    table, pixels, confident = AreaTable.empty(len(fusion.area)), np.zeros(len(ALL_CLASSES), np.int64), 0
    with ExitStack() as opened:
        classes = opened.enter_context(class_cog(stage / layout.classified.name, grid, tags))
        confidence = opened.enter_context(confidence_cog(stage / layout.confidence.name, grid, tags))
        observations = opened.enter_context(
            number_cog(stage / layout.observations.name, grid, tags, "number of dates that see the ground", None)
        )
        stability = opened.enter_context(
            number_cog(
                stage / layout.stability.name, grid, tags, "dates that agree with the map, in percent", STABILITY_NODATA
            )
        )
        probabilities = opened.enter_context(probability_cog(stage / layout.probabilities.name, cells, tags))
        for block in fusion.blocks(progress):
            for dataset, values in (
                (classes, block.classes),
                (confidence, block.confidence),
                (observations, block.observations),
                (stability, block.stability),
            ):
                dataset.write(values, 1, window=block.window)
            probabilities.write(block.probabilities, window=block.cells)
            table.add(block.areas)
            pixels += block.pixels
            confident += int(block.confidence[block.classes != NO_DATA.code].sum())
        classified = int(pixels.sum() - pixels[NO_DATA.code])
        mean = round(confident / classified, 2) if classified else None
        classes.update_tags(**{f"PIXELS_{c.code}": str(pixels[c.code]) for c in ALL_CLASSES})
    return table, pixels, mean
