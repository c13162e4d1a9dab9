"""Who is trained on and who is judged by. No chip of an evaluation is ever in training, its RGB twin included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lc_assets.landcover import CLASS_NAMES
from lc_assets.training.data import Chips, read_packed, read_rgb

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


def read_splits(folder: Path) -> Splits:
    """Read and split the data in `folder` (`eurosat_ms.tif`, `eurosat_rgb.zip`, `l2a_weak.tif`, and the CSVs).

    RGB chips of both official lists are learnt from, but for the twins of the validation chips. The L2A chips are
    halved by their number: even ones may be learnt from (by label where class and votes are credible), odd ones are
    only reported on.
    """
    chips, official = read_packed(folder, "eurosat_ms")
    validation = chips.where(official == "val")
    rgb = read_rgb(folder / "eurosat_rgb.zip", without=validation.names)
    l2a, _ = read_packed(folder, "l2a_weak")
    even = np.arange(len(l2a)) % 2 == 0
    credible = np.isin(l2a.labels, [CLASS_NAMES.index(name) for name in CREDIBLE]) & (l2a.votes >= CREDIBLE_VOTES)
    weak = replace(l2a, labels=np.where(credible, l2a.labels, UNLABELLED)).where(even)
    return Splits(chips.where(official == "train"), rgb, weak, validation, l2a.where(~even))
