"""Who is trained on and who is judged by. No chip of an evaluation is ever in training, its RGB twin included."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.training.data.chips import Chips, joined, no_chips
from lc_assets.training.data.eurosat import read_eurosat_folder, read_packed, read_rgb

CREDIBLE = ("AnnualCrop", "Forest", "Highway", "Industrial", "Pasture", "Residential", "River", "SeaLake")
"""Classes whose weak L2A labels are worth learning from, where enough predictions agree."""
CREDIBLE_VOTES = 8

UNLABELLED = -100
"""Label of a chip that is learnt from without one: only what the teacher says of it counts."""


@dataclass(frozen=True)
class Splits:
    """Training: multispectral, RGB and weakly labelled L2A chips. Validation: EuroSAT's official list, and other L2A
    chips."""

    multispectral: Chips
    rgb: Chips
    weak: Chips
    validation: Chips
    weak_validation: Chips


VALIDATION_LIST = "eurosat-val.txt"
"""Official list of EuroSAT's validation chips, one name a line, as it is published beside the chips."""


def read_splits(folder: Path) -> Splits:
    """Read and split the data in `folder`.

    It holds either our packed chips (`eurosat_ms.tif` with its CSV) or EuroSAT's own multispectral folder
    (`<Class>/<name>.tif`); and, if they are there, `eurosat_rgb.zip` and `l2a_weak.tif` with its CSV.

    RGB chips of both official lists are learnt from, but for the twins of the validation chips. The L2A chips are
    halved by their number: even ones may be learnt from (by label where class and votes are credible), odd ones are
    only reported on.
    """
    chips, judged, l2a, even = _read(folder)
    validation = chips.where(judged)
    archive = folder / "eurosat_rgb.zip"
    rgb = read_rgb(archive, without=validation.names) if archive.exists() else no_chips()
    credible = np.isin(l2a.labels, [CLASS_NAMES.index(name) for name in CREDIBLE]) & (l2a.votes >= CREDIBLE_VOTES)
    weak = replace(l2a, labels=np.where(credible, l2a.labels, UNLABELLED)).where(even)
    return Splits(chips.where(~judged), rgb, weak, validation, l2a.where(~even))


def read_judges(folder: Path) -> tuple[Chips, Chips]:
    """The validation chips and the held-out L2A chips of `read_splits`, without reading what is only learnt from."""
    chips, judged, l2a, even = _read(folder)
    return chips.where(judged), l2a.where(~even)


def _read(folder: Path) -> tuple[Chips, np.ndarray, Chips, np.ndarray]:
    """Multispectral chips and which of them judge; L2A chips and which of them may be learnt from."""
    if (folder / "eurosat_ms.tif").exists() or not any((folder / name).is_dir() for name in CLASS_NAMES):
        chips, official = read_packed(folder, "eurosat_ms")
        judged = official == "val"
    else:
        chips = read_eurosat_folder(folder)
        judged = _validation(chips.names, folder / VALIDATION_LIST)
    l2a = read_packed(folder, "l2a_weak")[0] if (folder / "l2a_weak.tif").exists() else no_chips()
    return chips, judged, l2a, np.arange(len(l2a)) % 2 == 0


def _validation(names: np.ndarray, official: Path) -> np.ndarray:
    """Which chips are for validation: those of the official list, else every fifth by a checksum of the name."""
    if official.exists():
        listed = {Path(line.strip()).stem for line in official.read_text(encoding="utf-8").splitlines()}
        return np.isin(names, sorted(listed))
    return np.array([zlib.crc32(name.encode()) % 5 == 0 for name in names])


EAST = 0.75
"""Quantile of longitude beyond which chips are held out in the spatial split."""


def spatial(splits: Splits) -> tuple[Splits, Chips]:
    """The splits without the eastern quarter of all multispectral chips (nor their RGB twins), and that quarter.

    EuroSAT's official lists are drawn at random, so that a validation chip may lie beside a training chip; a hold-out
    by longitude shows what a model does in countries that it has not seen. RGB chips whose place is unknown stay.
    """
    everything = joined(splits.multispectral, splits.validation)
    held = everything.where(_eastern(everything))
    west = splits.multispectral.where(~np.isin(splits.multispectral.names, held.names))
    rgb = splits.rgb.where(~np.isin(splits.rgb.names, held.names))
    return replace(splits, multispectral=west, rgb=rgb), held


def read_eastern(folder: Path) -> Chips:
    """The chips that `spatial` holds out, without reading what is only learnt from."""
    chips, judged, _, _ = _read(folder)
    everything = joined(chips.where(~judged), chips.where(judged))
    return everything.where(_eastern(everything))


def _eastern(chips: Chips) -> np.ndarray:
    """Which chips lie in the eastern quarter; none where no place is known."""
    if not np.isfinite(chips.longitudes).any():
        return np.zeros(len(chips), bool)
    eastern: np.ndarray = chips.longitudes >= np.nanquantile(chips.longitudes, EAST)
    return eastern
