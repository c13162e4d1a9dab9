"""A finished map as xarray's arrays: what `lc_assets.open_scene` and `lc_assets.open_map` return.

Pixels are read from the store when a program uses them. rioxarray, which the extra `xarray` installs, is needed only
for the arrays, not for the STAC item and the areas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac

from lc_assets.core.errors import BadReference, LandCoverError
from lc_assets.core.landcover import CLASSES
from lc_assets.products.stac.catalog import read_catalog
from lc_assets.sentinel2.search.scene_names import SceneNames, is_full_name
from lc_assets.store.layout import Store
from lc_assets.store.paths import StorePath, gdal_path, reading
from lc_assets.store.product_layout import ProductLayout
from lc_assets.store.season_layout import MapLayout

if TYPE_CHECKING:
    from xarray import DataArray

_FLAGS: dict[str, Any] = {
    "flag_values": np.array([c.code for c in CLASSES], np.uint8),
    "flag_meanings": " ".join(c.name for c in CLASSES),
    "flag_colors": " ".join(f"#{c.hex}" for c in CLASSES),
}
"""Attributes that name the codes of a raster, by the CF conventions (section 3.5). `flag_colors` is not part of CF, but
several programs read it."""


@dataclass(frozen=True)
class OpenedMap:
    """The map of a scene, or of an area and a period.

    Attributes:
        item: STAC item of the map.
    """

    item: pystac.Item = field(repr=False)
    layout: ProductLayout

    @property
    def classes(self) -> DataArray:
        """Class codes, (y, x), uint8; 10 is No Data. `flag_values` and `flag_meanings` name them."""
        return self._percent_or_code(self.layout.classified, "Land-cover class", decoded=False).assign_attrs(_FLAGS)

    @property
    def confidence(self) -> DataArray:
        """Probability of the class in percent, (y, x), float32; NaN where the map has No Data."""
        return self._percent_or_code(self.layout.confidence, "Probability of the class", units="%")

    @property
    def probabilities(self) -> DataArray:
        """Probability of each class, 0 to 1, (class, y, x), float32, with one pixel per position; NaN without data.

        Raises:
            LandCoverError: the map is one of windows, which has no probabilities.
        """
        names = [c.name for c in CLASSES]
        bands = _read(self.layout.probabilities, "probabilities", "Probability of each class", units="1")
        return bands.rename(band="class").assign_coords({"class": names})

    def areas(self) -> dict[str, float]:
        """Hectares of each class, and of `NoData`, as counted when the map was made."""
        return dict(self.item.properties["lc:hectares"])

    def _percent_or_code(self, path: StorePath, title: str, **options: Any) -> DataArray:
        return _read(path, "map", title, **options).squeeze("band", drop=True)


@dataclass(frozen=True)
class OpenedSeasonMap(OpenedMap):
    """The map of an area and a period."""

    layout: MapLayout

    @property
    def observations(self) -> DataArray:
        """Number of dates that see a pixel, (y, x), uint8."""
        return self._percent_or_code(self.layout.observations, "Number of dates that see the ground", decoded=False)

    @property
    def stability(self) -> DataArray:
        """Share of these dates whose own map has the same class, in percent, (y, x), float32; NaN without data."""
        return self._percent_or_code(self.layout.stability, "Share of the dates that agree with the map", units="%")


def open_scene(store: str | Path, item: str) -> OpenedMap:
    """Open the map of a scene.

    Args:
        store: a folder, or s3://, az://, gs://.
        item: STAC item id of the scene, or words that only one scene of the store has, such as `33UUB 2024-06-21`.

    Raises:
        BadReference: no scene of the store fits, or several.
        LandCoverError: the scene has no finished map.
        StoreError: the store cannot be read.
    """
    opened = Store.at(store)
    _check_text(item, "a scene")
    if not is_full_name(item):  # the store is listed only for other names
        item = SceneNames(opened).one(item)
    layout = opened.scene(item)
    return OpenedMap(_read_item(layout, f"lc-assets classify {item}", item=item), layout)


def open_map(store: str | Path, name: str) -> OpenedSeasonMap:
    """Open the map of an area and a period, which `lc-assets map` has made.

    Args:
        store: a folder, or s3://, az://, gs://.

    Raises:
        LandCoverError: there is no such map.
        StoreError: the store cannot be read.
    """
    _check_text(name, "a season map")
    layout = Store.at(store).map(name)
    return OpenedSeasonMap(_read_item(layout, f"make it: lc-assets map --name {name}", season_map=name), layout)


def _check_text(name: object, what: str) -> None:
    if not isinstance(name, str):
        raise BadReference(f"a {type(name).__name__} is given as {what}", remedy="give one name, a text")


def _read_item(
    layout: ProductLayout, remedy: str, item: str | None = None, season_map: str | None = None
) -> pystac.Item:
    if not layout.catalog.exists():
        raise LandCoverError(
            f"there is no finished map in {layout.folder}", item=item, season_map=season_map, remedy=remedy
        )
    with reading(layout.catalog):
        return next(iter(read_catalog(layout.catalog).get_items()))


def _read(path: StorePath, asset: str, title: str, *, units: str | None = None, decoded: bool = True) -> DataArray:
    """Return the bands of a raster, (band, y, x).

    Args:
        asset: what the file is, for an error.
        title: the array's `long_name`.
        units: the array's `units`.
        decoded: as float32, with the file's scale and NaN for no data; otherwise the stored numbers.

    Raises:
        LandCoverError: rioxarray is not installed, or there is no such file.
    """
    try:
        import rioxarray
    except ImportError as error:
        raise LandCoverError(
            f"the pixels of a map as arrays need rioxarray ({error})",
            remedy="install the extra xarray: pip install 'lc-assets[xarray]', or -e '.[xarray]' in a checkout",
        ) from None
    if not path.exists():
        raise LandCoverError(
            f"there is no {path}", asset=asset, remedy="classify it again; a map of windows has no probabilities"
        )
    array: Any = rioxarray.open_rasterio(gdal_path(path), cache=False, mask_and_scale=decoded)
    nodata = {name: value for name, value in array.attrs.items() if name == "_FillValue"}
    array.attrs = {"long_name": title, **({"units": units} if units else {}), **nodata}
    return array
