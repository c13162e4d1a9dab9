"""Split the chips into training and validation. No chip used for evaluation, nor its RGB twin, is used for training."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.training.data.chips import UNLABELLED, Chips, concat, no_chips
from lc_assets.training.data.eurosat import read_eurosat_folder, read_packed, read_rgb

CREDIBLE = ("AnnualCrop", "Forest", "Highway", "Industrial", "Pasture", "Residential", "River", "SeaLake")
"""Classes whose weak L2A labels are used for training, where enough predictions agree."""
CREDIBLE_VOTES = 8


@dataclass(frozen=True)
class Splits:
    """The split chips.

    Attributes:
        multispectral, rgb, weak: for training: multispectral, RGB and weakly labelled L2A chips.
        validation: the chips of EuroSAT's official validation list.
        weak_validation: weakly labelled L2A chips that are not used for training.
    """

    multispectral: Chips
    rgb: Chips
    weak: Chips
    validation: Chips
    weak_validation: Chips


VALIDATION_LIST = "eurosat-val.txt"
"""EuroSAT's official list of validation chips, one name per line, as it is published with the chips."""


def read_splits(folder: Path) -> Splits:
    """Read and split the chips in `folder`.

    The folder has either packed chips (`eurosat_ms.tif` with its CSV) or EuroSAT's own multispectral folder
    (`<Class>/<name>.tif`). Optionally it also has `eurosat_rgb.zip`, `l2a_weak.tif` and
    `l2a_more.tif` with their CSV, and `*_dw.tif`, the cover of each packed file.

    RGB chips of both official lists are used for training, except the twins of validation chips. L2A chips of
    `l2a_weak` with an even number are used for training, those with an odd number only for evaluation. All chips of
    `l2a_more` are used for training. An L2A training chip keeps its label only if class and votes are credible.

    Raises:
        LandCoverError: the chips cannot be read.
    """
    chips, judged, l2a, even = _read(folder)
    validation = chips.where(judged)
    archive = folder / "eurosat_rgb.zip"
    rgb = read_rgb(archive, without=validation.names) if archive.exists() else no_chips()
    learnt = l2a.where(even)
    if (folder / "l2a_more.tif").exists():
        learnt = concat(learnt, read_packed(folder, "l2a_more")[0])
    credible = np.isin(learnt.labels, [CLASS_NAMES.index(name) for name in CREDIBLE])
    credible &= learnt.votes >= CREDIBLE_VOTES
    weak = replace(learnt, labels=np.where(credible, learnt.labels, UNLABELLED))
    return Splits(chips.where(~judged), rgb, weak, validation, l2a.where(~even))


def read_evaluation_chips(folder: Path) -> tuple[Chips, Chips]:
    """Return the validation chips and the held-out L2A chips of `read_splits`, without reading the RGB chips."""
    chips, judged, l2a, even = _read(folder)
    return chips.where(judged), l2a.where(~even)


def _read(folder: Path) -> tuple[Chips, np.ndarray, Chips, np.ndarray]:
    """Return the multispectral chips, a mask of those for validation, the L2A chips, and a mask of those for
    training."""
    if (folder / "eurosat_ms.tif").exists() or not any((folder / name).is_dir() for name in CLASS_NAMES):
        chips, official = read_packed(folder, "eurosat_ms")
        judged = official == "val"
    else:
        chips = read_eurosat_folder(folder)
        judged = _validation(chips.names, folder / VALIDATION_LIST)
    l2a = read_packed(folder, "l2a_weak")[0] if (folder / "l2a_weak.tif").exists() else no_chips()
    return chips, judged, l2a, np.arange(len(l2a)) % 2 == 0


def _validation(names: np.ndarray, official: Path) -> np.ndarray:
    """Return (N,) bool: True for validation chips.

    Without the official list, a checksum of the name selects about every fifth chip.
    """
    if official.exists():
        listed = {Path(line.strip()).stem for line in official.read_text(encoding="utf-8").splitlines()}
        return np.isin(names, sorted(listed))
    return np.array([zlib.crc32(name.encode()) % 5 == 0 for name in names])


EAST = 0.75
"""Quantile of longitude. In the spatial split, chips further east are held out."""


def spatial(splits: Splits) -> tuple[Splits, Chips]:
    """Return the splits without the eastern quarter of all multispectral chips and their RGB twins, and that quarter.

    EuroSAT's official lists are random, so a validation chip can be next to a training chip. A hold-out by longitude
    shows how a model performs in another region. RGB chips with an unknown location are kept.
    """
    everything = concat(splits.multispectral, splits.validation)
    held = everything.where(_eastern(everything))
    west = splits.multispectral.where(~np.isin(splits.multispectral.names, held.names))
    rgb = splits.rgb.where(~np.isin(splits.rgb.names, held.names))
    return replace(splits, multispectral=west, rgb=rgb), held


def read_eastern(folder: Path) -> Chips:
    """Return the chips that `spatial` holds out, without reading the RGB chips."""
    chips, judged, _, _ = _read(folder)
    everything = concat(chips.where(~judged), chips.where(judged))
    return everything.where(_eastern(everything))


def _eastern(chips: Chips) -> np.ndarray:
    """Return (N,) bool: True for chips in the eastern quarter; all False if no location is known."""
    if not np.isfinite(chips.longitudes).any():
        return np.zeros(len(chips), bool)
    eastern: np.ndarray = chips.longitudes >= np.nanquantile(chips.longitudes, EAST)
    return eastern
