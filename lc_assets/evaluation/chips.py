"""Labelled chips: the packed multispectral ones, the RGB ones, the weakly labelled L2A ones, and EuroSAT's own
GeoTIFFs.

All come out as DN without radiometric offset, bands in the band table's order, channels first: (N, 12, 64, 64) uint16.
A band that a source does not have is 0 everywhere in the chip and absent in its `bands` mask.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

from lc_assets.errors import LandCoverError
from lc_assets.landcover import CLASS_NAMES
from lc_assets.sentinel2.bands import BAND_INDEX, BAND_NAMES, TRUE_COLOUR

CHIP = 64

EUROSAT_ORDER: tuple[str, ...] = (
    *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08"),
    *("B09", "B10", "B11", "B12", "B8A"),
)
"""Band order inside EuroSAT's own 13-band GeoTIFFs: B8A comes LAST, not after B08. A widely used recipe gets this
wrong."""

RGB_DN_PER_LEVEL = 2750 / 254
"""EuroSAT's RGB chips are `8bit = 1 + DN * 254 / 2750`, clipped above DN 2750 (measured against the multispectral
twins, residual 2.4 levels); the inverse is `DN = (8bit - 1) * 10.827`."""


@dataclass(frozen=True)
class Chips:
    """Chips with labels.

    Attributes:
        dn: (N, 12, 64, 64) uint16.
        labels: (N,) int64 class codes.
        names: EuroSAT names (`Forest_12`), which the RGB and the multispectral twin share; empty strings where unknown.
        bands: (12,) bool, the bands that this source has.
        votes: (N,) how many of ten predictions agreed, for weak labels; 10 for true ones.
        longitudes: (N,) degrees east of the chips' centres; NaN where unknown.
    """

    dn: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    bands: np.ndarray
    votes: np.ndarray
    longitudes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: np.ndarray) -> Chips:
        """The chips at which `keep` (N,) is true."""
        return Chips(
            self.dn[keep], self.labels[keep], self.names[keep], self.bands, self.votes[keep], self.longitudes[keep]
        )


def read_packed(folder: Path, name: str) -> tuple[Chips, np.ndarray]:
    """A packed GeoTIFF (chip n is rows 64n..64n+63) and its CSV.

    Returns:
        The chips, and the official split of each (`train`, `val`, or empty where the CSV has none).

    Raises:
        LandCoverError: a file is missing, or its bands are not the twelve of the band table in order.
    """
    path = folder / f"{name}.tif"
    if not path.exists():
        raise LandCoverError(f"{path} is missing", remedy="name the folder of the packed chips with --data")
    with rasterio.open(path) as dataset:
        if dataset.descriptions != BAND_NAMES:
            raise LandCoverError(
                f"the bands of {path} are {dataset.descriptions}", remedy="pack them in the table's order"
            )
        packed = dataset.read()
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    dn = packed.reshape(len(BAND_NAMES), len(rows), CHIP, CHIP).transpose(1, 0, 2, 3)
    chips = Chips(
        np.ascontiguousarray(dn),
        np.array([CLASS_NAMES.index(row["class_name"]) for row in rows]),
        np.array([row.get("name", "") for row in rows]),
        np.ones(len(BAND_NAMES), bool),
        np.array([int(row.get("votes_of_10", 10)) for row in rows]),
        np.array([float(row.get("lon") or "nan") for row in rows]),
    )
    return chips, np.array([row.get("official_split", "") for row in rows])


def read_rgb(archive: Path, without: Iterable[str] = ()) -> Chips:
    """EuroSAT's RGB chips, brought back to DN of B04, B03 and B02.

    Args:
        archive: zip with `<official split>/<Class>/<name>.jpg`.
        without: names to leave out: the twins of chips that something is evaluated on.
    """
    left_out = set(without)
    images, labels, names = [], [], []
    with zipfile.ZipFile(archive) as files:
        for entry in sorted(files.namelist()):
            path = Path(entry)
            if path.suffix != ".jpg" or path.stem in left_out:
                continue
            with Image.open(io.BytesIO(files.read(entry))) as image:
                images.append(np.asarray(image.convert("RGB")))
            labels.append(CLASS_NAMES.index(path.parent.name))
            names.append(path.stem)
    dn = np.zeros((len(images), len(BAND_NAMES), CHIP, CHIP), np.uint16)
    levels = np.stack(images)
    for channel, band in enumerate(TRUE_COLOUR):
        dn[:, BAND_INDEX[band]] = rgb_to_dn(levels[..., channel])
    bands = np.isin(BAND_NAMES, TRUE_COLOUR)
    count = len(labels)
    return Chips(dn, np.array(labels), np.array(names), bands, np.full(count, 10), np.full(count, np.nan))


def rgb_to_dn(levels: np.ndarray) -> np.ndarray:
    """8-bit levels of a EuroSAT RGB chip as DN (uint16, at least 1)."""
    return np.maximum(np.rint((levels.astype(np.float32) - 1) * RGB_DN_PER_LEVEL), 1).astype(np.uint16)


def read_eurosat_folder(folder: Path) -> Chips:
    """EuroSAT's own multispectral folder: `<Class>/<name>.tif`, 13 bands with B8A last; B10 is dropped, B8A moved to
    its place.

    Raises:
        LandCoverError: no chips are there, or one has neither 13 bands nor descriptions that name the twelve.
    """
    paths = sorted(path for name in CLASS_NAMES for path in (folder / name).glob("*.tif"))
    if not paths:
        raise LandCoverError(f"{folder} has no <Class>/<name>.tif", remedy="name EuroSAT's folder with --data")
    chips, longitudes = [], []
    for path in paths:
        with rasterio.open(path) as dataset:
            chips.append(dataset.read(band_positions(dataset.count, dataset.descriptions, path)))
            longitudes.append(dataset.lnglat()[0] if dataset.crs else np.nan)
    names = np.array([path.stem for path in paths])
    labels = np.array([CLASS_NAMES.index(path.parent.name) for path in paths])
    bands, votes = np.ones(len(BAND_NAMES), bool), np.full(len(paths), 10)
    return Chips(np.stack(chips), labels, names, bands, votes, np.array(longitudes))


def no_chips() -> Chips:
    """None at all: what a source that is not there gives."""
    nothing, side = np.zeros(0, int), (len(BAND_NAMES), CHIP, CHIP)
    return Chips(
        np.zeros((0, *side), np.uint16),
        nothing,
        np.zeros(0, str),
        np.ones(len(BAND_NAMES), bool),
        nothing,
        np.zeros(0),
    )


def band_positions(count: int, descriptions: tuple[str | None, ...], path: Path) -> list[int]:
    """1-based positions of the table's bands in a chip file: by its descriptions if it has them, else by EuroSAT's
    order."""
    if set(BAND_NAMES) <= set(descriptions):
        return [descriptions.index(name) + 1 for name in BAND_NAMES]
    if count == len(EUROSAT_ORDER):
        return [EUROSAT_ORDER.index(name) + 1 for name in BAND_NAMES]
    raise LandCoverError(
        f"{path} has {count} bands without names", remedy="give EuroSAT's 13-band files, or describe the bands"
    )
