"""Read scenes with references of land cover, to evaluate maps.

A folder has these GeoTIFFs at 10 m; `LEVEL` is L1C or L2A:

- `{name}_{LEVEL}.tif`: the scene. Twelve bands in the band table's order, uint16 DN without radiometric offset. Names
  like `{place}_{yyyymmdd}` are dates of one place. A file that is at least four times as high as wide has square
  scenes below each other.
- `{name}_ref.tif`: a reference, in the first band. Codes of `GROUPS`, 255 for unknown. If the description of the band
  begins with `water kind`, the codes are those of River and SeaLake in the class table.
- `{name}_{LEVEL}_dw.tif`: Dynamic World's class, its probability times 255, and the share of its repeated predictions
  that agree times 255.

A scene may have both references, one or none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from lc_assets.core.errors import LandCoverError
from lc_assets.inference.stack_classes import MIN_SIDE
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.training.data.chips import COVER_NAMES
from lc_assets.training.data.dynamic_world import LEARNABLE, is_certain, is_stacked
from lc_assets.training.data.rasters import open_raster
from lc_assets.training.evaluation.map_metrics import GROUPS, UNKNOWN

_WATER_KIND = "water kind"
_NAME = re.compile(r"(?P<name>.+)_(?P<level>L1C|L2A)")
_DATED = re.compile(r"(?P<place>.+)_(?P<date>\d{8})")
_GROUP_OF_COVER = {
    "water": "water",
    "trees": "trees",
    "grass": "grass or shrub",
    "crops": "crops",
    "shrub and scrub": "grass or shrub",
    "built": "built",
}
"""Class of the reference model -> group. Flooded vegetation, bare ground and snow belong to no group."""


@dataclass(frozen=True)
class SceneFile:
    """The file of a scene, after a check of its header.

    Attributes:
        path: the file.
        name: name of the scene, without level.
        level: L1C or L2A.
        shape: rows and columns.
    """

    path: Path
    name: str
    level: str
    shape: tuple[int, int]

    @property
    def stacked(self) -> bool:
        """True if the file contains square scenes below each other."""
        return is_stacked(*self.shape)

    @property
    def place(self) -> str | None:
        """The place, if the name contains a date; else None."""
        dated = _DATED.fullmatch(self.name)
        return dated["place"] if dated else None

    @property
    def learnt_part(self) -> str:
        """The part that `lc-assets train` learns from, in words; empty if it does not use the scene."""
        if not self.path.stem.startswith(LEARNABLE):
            return ""
        return "learnt from three of four of its scenes" if self.stacked else "learnt from its left part"


@dataclass(frozen=True)
class ReferenceScene:
    """A scene with its references. All arrays have the same rows and columns.

    Attributes:
        file: the scene's file.
        stack: (rows, columns, 12) uint16 DN.
        groups: group codes of the independent reference, if there is one.
        kinds: class codes of the reference of water kinds, if there is one.
        cover: group codes of Dynamic World, if available.
        sure: bool, True where `cover` is certain and counts.
    """

    file: SceneFile
    stack: np.ndarray
    groups: np.ndarray | None
    kinds: np.ndarray | None
    cover: np.ndarray | None
    sure: np.ndarray | None

    def parts(self) -> list[np.ndarray]:
        """Return the stacks to classify: the scene, or the square scenes of the file from top to bottom."""
        if not self.file.stacked:
            return [self.stack]
        side = self.file.shape[1]
        return [self.stack[top : top + side] for top in range(0, len(self.stack), side)]


def find_scenes(folder: Path) -> list[SceneFile]:
    """Return the scenes of a folder by name.

    Raises:
        LandCoverError: the folder has no scene, or a scene has other bands, another data type or too few pixels.
    """
    found = [(path, match) for path in sorted(folder.glob("*.tif")) if (match := _NAME.fullmatch(path.stem))]
    if not found:
        raise LandCoverError(
            f"{folder} has no {{name}}_L1C.tif or {{name}}_L2A.tif",
            remedy="set the folder of scenes (--scenes or LC_ASSETS_SCENES)",
        )
    return [_checked(path, match["name"], match["level"]) for path, match in found]


def _checked(path: Path, name: str, level: str) -> SceneFile:
    with open_raster(path) as dataset:
        if dataset.count != len(BAND_NAMES) or dataset.descriptions not in (BAND_NAMES, (None,) * len(BAND_NAMES)):
            raise LandCoverError(
                f"the bands of {path} are {dataset.descriptions}", remedy=f"write the bands {' '.join(BAND_NAMES)}"
            )
        if set(dataset.dtypes) != {"uint16"}:
            raise LandCoverError(
                f"{path} has the data type {dataset.dtypes[0]}, not uint16",
                remedy="write DN (reflectance * 10000) without offset",
            )
        file = SceneFile(path, name, level, dataset.shape)
    height, width = file.shape
    if min(height, width) < MIN_SIDE or (file.stacked and height % width):
        raise LandCoverError(
            f"{path} has {width} x {height} px, but needs at least {MIN_SIDE} px a side"
            + (f", and a height that is a multiple of {width} px for its square scenes" if file.stacked else ""),
            remedy="use a larger part of the scene, or remove the file",
        )
    return file


def read_scene(file: SceneFile) -> ReferenceScene:
    """Read a scene and its references.

    Raises:
        LandCoverError: a file cannot be read, or a reference has another shape, other bands or unknown codes.
    """
    with open_raster(file.path) as dataset:
        stack = np.ascontiguousarray(np.moveaxis(dataset.read(), 0, -1))
    groups = kinds = cover = sure = None
    path = file.path.with_name(f"{file.name}_ref.tif")
    if path.exists():
        with open_raster(path) as dataset:
            _check_reference(path, dataset, file, bands=1)
            values, described = dataset.read(1), dataset.descriptions[0] or ""
        if described.startswith(_WATER_KIND):
            kinds = values
        else:
            unknown = np.setdiff1d(values, (*range(len(GROUPS)), UNKNOWN))
            if unknown.size:
                raise LandCoverError(
                    f"{path} has the code {unknown[0]}",
                    remedy=f"use codes 0 to {len(GROUPS) - 1} ({', '.join(GROUPS)}), and {UNKNOWN} for unknown",
                )
            groups = values.astype(np.uint8)
    path = file.path.with_name(f"{file.path.stem}_dw.tif")
    if path.exists():
        with open_raster(path) as dataset:
            _check_reference(path, dataset, file, bands=3)
            classes, probability, agreement = dataset.read((1, 2, 3))
        lookup = np.full(256, UNKNOWN, np.uint8)
        for name, group in _GROUP_OF_COVER.items():
            lookup[COVER_NAMES.index(name)] = GROUPS.index(group)
        cover = lookup[classes]
        sure = is_certain(probability, agreement)
    return ReferenceScene(file, stack, groups, kinds, cover, sure)


def _check_reference(path: Path, dataset: rasterio.DatasetReader, file: SceneFile, bands: int) -> None:
    if dataset.shape != file.shape or dataset.count < bands or dataset.dtypes[0] != "uint8":
        height, width = file.shape
        raise LandCoverError(
            f"{path} has {dataset.width} x {dataset.height} px and {dataset.count} bands of {dataset.dtypes[0]}, "
            f"{file.path.name} needs {width} x {height} px and {bands} of uint8",
            remedy="use the reference that belongs to this scene",
        )
