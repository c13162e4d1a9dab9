"""Read labelled chips: packed multispectral chips, RGB chips, weakly labelled L2A chips, EuroSAT's own GeoTIFFs.

All functions return DN without radiometric offset, bands in the band table's order, channels first: (N, 12, 64, 64)
uint16. A band that a source does not have is 0 in all pixels and false in the `bands` mask. Errors give the name of the
file.
"""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES, TRUE_COLOUR
from lc_assets.training.data.chips import CHIP, Chips, no_cover
from lc_assets.training.data.dynamic_world import read_cover

EUROSAT_ORDER: tuple[str, ...] = (
    *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08"),
    *("B09", "B10", "B11", "B12", "B8A"),
)
"""Band order in EuroSAT's own 13-band GeoTIFFs: B8A is the last one, not the one after B08."""

RGB_DN_PER_LEVEL = 2750 / 254
"""DN per 8-bit level of EuroSAT's RGB chips. They are `8bit = 1 + DN * 254 / 2750`, clipped above DN 2750 (measured by
comparison with the multispectral twins, residual 2.4 levels); the inverse is `DN = (8bit - 1) * 10.827`."""


_BROKEN = (
    *(OSError, RasterioIOError, csv.Error, KeyError, ValueError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, Image.DecompressionBombError),
    *(RuntimeError, NotImplementedError),  # an encrypted archive, a compression that zipfile does not know
)


@contextmanager
def _raise_as_land_cover_error(path: Path) -> Iterator[None]:
    """Inside the context, raise the errors of a broken file as a LandCoverError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # packed chips have no georeference
            yield
    except _BROKEN as error:
        why = (
            f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0] if str(error) else "?"
        )
        raise LandCoverError(
            f"{path} cannot be read as chips ({type(error).__name__}: {why[:200]})",
            remedy="restore the original file, or use another folder of chips",
        ) from None


def read_packed(folder: Path, name: str) -> tuple[Chips, np.ndarray]:
    """Read a packed GeoTIFF (chip n is rows 64n..64n+63) and its CSV.

    The CSV has the column `class_name`, and optionally `name`, `official_split`, `lon` and `votes_of_10`.

    Returns:
        The chips, and the official split of each (`train`, `val`, or empty where the CSV has none).

    Raises:
        LandCoverError: a file is missing or broken, the raster does not fit the CSV, or the bands are not in the order
            of the band table.
    """
    path, table = folder / f"{name}.tif", folder / f"{name}.csv"
    if not path.exists():
        raise LandCoverError(f"{path} is missing", remedy="set the folder of chips (--data or LC_ASSETS_CHIPS)")
    with _raise_as_land_cover_error(table):
        with table.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        labels = np.array([_code(row["class_name"]) for row in rows])
        votes = np.array([int(row.get("votes_of_10") or 10) for row in rows])
        longitudes = np.array([float(row.get("lon") or "nan") for row in rows])
    with _raise_as_land_cover_error(path), rasterio.open(path) as dataset:
        if dataset.descriptions != BAND_NAMES:
            raise LandCoverError(
                f"the bands of {path} are {dataset.descriptions}",
                remedy="write the bands in the order of the band table",
            )
        # Checked before the pixels are read: a small file can declare a huge size.
        if dataset.shape != (CHIP * len(rows), CHIP) or set(dataset.dtypes) != {"uint16"}:
            raise LandCoverError(
                f"{path} has {dataset.width} x {dataset.height} px of {dataset.dtypes[0]}, but the {len(rows)} chips "
                f"of {table.name} need {CHIP} x {CHIP * len(rows)} px of uint16",
                remedy="use the raster and the CSV of the same chips",
            )
        packed = dataset.read()
    dn = packed.reshape(len(BAND_NAMES), len(rows), CHIP, CHIP).transpose(1, 0, 2, 3)
    names = np.array([row.get("name", "") for row in rows])
    bands, cover = np.ones(len(BAND_NAMES), bool), read_cover(folder, name, len(rows))
    chips = Chips(np.ascontiguousarray(dn), labels, names, bands, votes, longitudes, cover)
    return chips, np.array([row.get("official_split", "") for row in rows])


def read_rgb(archive: Path, without: Iterable[str] = ()) -> Chips:
    """Read EuroSAT's RGB chips, converted back to DN of B04, B03 and B02.

    Args:
        archive: zip with `<official split>/<Class>/<name>.jpg`.
        without: names to leave out: the twins of chips that are used for evaluation.

    Raises:
        LandCoverError: the archive or a picture in it is broken, or a picture has an unknown class or another size.
    """
    left_out = set(without)
    images, labels, names = [], [], []
    with _raise_as_land_cover_error(archive), zipfile.ZipFile(archive) as files:
        for entry in sorted(files.namelist()):
            path = Path(entry)
            if path.suffix != ".jpg" or path.stem in left_out:
                continue
            with _raise_as_land_cover_error(archive / entry), Image.open(io.BytesIO(files.read(entry))) as image:
                labels.append(_code(path.parent.name))
                if image.size != (CHIP, CHIP):
                    raise ValueError(f"{image.width} x {image.height} px, not {CHIP} x {CHIP}")
                images.append(np.asarray(image.convert("RGB")))
            names.append(path.stem)
    dn = np.zeros((len(images), len(BAND_NAMES), CHIP, CHIP), np.uint16)
    levels = np.stack(images) if images else np.zeros((0, CHIP, CHIP, 3), np.uint8)
    for channel, band in enumerate(TRUE_COLOUR):
        dn[:, BAND_INDEX[band]] = rgb_to_dn(levels[..., channel])
    bands = np.isin(BAND_NAMES, TRUE_COLOUR)
    count = len(labels)
    votes, longitudes = np.full(count, 10), np.full(count, np.nan)
    return Chips(dn, np.array(labels), np.array(names), bands, votes, longitudes, no_cover(count))


def rgb_to_dn(levels: np.ndarray) -> np.ndarray:
    """Convert 8-bit levels of a EuroSAT RGB chip to DN (uint16, at least 1)."""
    return np.maximum(np.rint((levels.astype(np.float32) - 1) * RGB_DN_PER_LEVEL), 1).astype(np.uint16)


def read_eurosat_folder(folder: Path) -> Chips:
    """Read EuroSAT's own multispectral folder: `<Class>/<name>.tif` with 13 bands, B8A last.

    B10 is dropped and B8A moved to its place in the band table.

    Raises:
        LandCoverError: there are no chips, or a chip is broken, has another size, or has neither 13 bands nor band
            descriptions that name the twelve bands.
    """
    paths = sorted(path for name in CLASS_NAMES for path in (folder / name).glob("*.tif"))
    if not paths:
        raise LandCoverError(
            f"{folder} has no <Class>/<name>.tif", remedy="set EuroSAT's folder (--data or LC_ASSETS_CHIPS)"
        )
    chips, longitudes = [], []
    for path in paths:
        with _raise_as_land_cover_error(path), rasterio.open(path) as dataset:
            if dataset.shape != (CHIP, CHIP) or set(dataset.dtypes) != {"uint16"}:
                raise LandCoverError(
                    f"{path} has {dataset.width} x {dataset.height} px of {dataset.dtypes[0]}, but a chip has {CHIP} x "
                    f"{CHIP} px of uint16 (DN)",
                    remedy="use EuroSAT's original files",
                )
            chips.append(dataset.read(band_positions(dataset.count, dataset.descriptions, path)))
            longitudes.append(dataset.lnglat()[0] if dataset.crs else np.nan)
    names = np.array([path.stem for path in paths])
    labels = np.array([_code(path.parent.name) for path in paths])
    bands, votes = np.ones(len(BAND_NAMES), bool), np.full(len(paths), 10)
    return Chips(np.stack(chips), labels, names, bands, votes, np.array(longitudes), no_cover(len(paths)))


def _code(name: str) -> int:
    if name not in CLASS_NAMES:
        raise ValueError(f"{name} is not in the class table")
    return CLASS_NAMES.index(name)


def band_positions(count: int, descriptions: tuple[str | None, ...], path: Path) -> list[int]:
    """Return the 1-based positions of the bands of the band table in a chip file.

    The band descriptions decide. A file without them is read in EuroSAT's order.

    Raises:
        LandCoverError: the file has neither descriptions of the twelve bands nor 13 bands.
    """
    if set(BAND_NAMES) <= set(descriptions):
        return [descriptions.index(name) + 1 for name in BAND_NAMES]
    if count == len(EUROSAT_ORDER):
        return [EUROSAT_ORDER.index(name) + 1 for name in BAND_NAMES]
    raise LandCoverError(
        f"{path} has {count} bands without names", remedy="use EuroSAT's 13-band files, or set band descriptions"
    )
