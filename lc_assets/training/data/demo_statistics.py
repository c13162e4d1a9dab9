"""Compute the statistics of the labelled chips from which the demo scene is made:
`python -m lc_assets.training.data.demo_statistics --data ../shared/data/eurosat`.

It writes `class_statistics.json`, the only real data that the scene generator uses. For each class it has the spectra
of its materials (clusters of its chips' spectra: crops at their stages, roofs, asphalt, gardens), the share of each
material, and the variation within a material (principal components of the spectra, radial power spectrum in space). The
file has statistics only, no pixels.

The chips are L1C. Their values are converted to surface reflectance (L2A) by comparing the distributions of the
credible classes in the L1C and the L2A chips.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.demo.materials import STATISTICS
from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES
from lc_assets.training.data.chips import Chips
from lc_assets.training.data.eurosat import read_packed

REGION = (-6.0, 43.0, 22.0, 56.0)
"""West, south, east, north (degrees): temperate Europe, so that one scene does not mix different climates."""
CLEAR_DN = 1000
"""Chips whose 5 % quantile in B02 is higher than this (L1C DN) are hazy and left out. Under a clear sky the atmosphere
alone gives 700-900."""

MATERIALS = {"AnnualCrop": 12, "Residential": 16, "Industrial": 16, "Highway": 8, "River": 8, "PermanentCrop": 8}
"""Number of clusters per class; 6 for the others."""
BLOCK = 8
"""Side (px) of the blocks that are assumed to have one material each, in fields, woods and lakes."""
ROUGH = ("Forest", "HerbaceousVegetation")
"""Classes with natural texture, which are measured in all blocks. Of the others only the half of the blocks with less
variation is used, because the rest has borders."""
BUILT = ("Residential", "Industrial", "Highway", "River")
"""Classes whose materials are smaller than a block; they are clustered by pixel."""
COMPONENTS = 4
RADIAL_BINS = 16

PAIRED = ("AnnualCrop", "Forest", "Highway", "Industrial", "Pasture", "Residential", "River", "SeaLake")
"""Classes whose weak L2A labels are credible with at least `PAIRED_VOTES` of ten votes."""
PAIRED_VOTES = 8
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def class_statistics(chips: Chips, l2a: Chips) -> dict[str, Any]:
    """Return class name -> statistics, in L2A DN without offset.

    Args:
        chips: labelled L1C chips of one region under clear skies.
        l2a: weakly labelled L2A chips.
    """
    surface = _to_surface(chips, l2a)
    return {name: _one_class(surface[chips.labels == code], name) for code, name in enumerate(CLASS_NAMES)}


def _to_surface(chips: Chips, l2a: Chips) -> np.ndarray:
    """Return the L1C chips converted to L2A, (N, 12, 64, 64) float32.

    For each band, surface = gain * (top of atmosphere - path radiance) is fitted to the quantiles of the paired
    classes; path radiance is never negative. In L1C, water vapour absorbs half of the light in B09, so B09 is computed
    from B8A by their relation in L2A.
    """
    sure = l2a.where(l2a.votes >= PAIRED_VOTES)
    codes = [CLASS_NAMES.index(name) for name in PAIRED]
    out = np.empty(chips.dn.shape, np.float32)
    for band in range(len(BAND_NAMES)):
        before = np.concatenate([np.quantile(chips.dn[chips.labels == c, band], LEVELS) for c in codes])
        after = np.concatenate([np.quantile(sure.dn[sure.labels == c, band], LEVELS) for c in codes])
        gain, offset = np.polyfit(before, after, 1)
        if offset > 0:
            gain, offset = float(before @ after / (before @ before)), 0.0
        out[:, band] = gain * chips.dn[:, band] + offset
    near, vapour = BAND_INDEX["B8A"], BAND_INDEX["B09"]
    gain, offset = np.polyfit(sure.dn[:, near, ::6, ::6].ravel(), sure.dn[:, vapour, ::6, ::6].ravel(), 1)
    out[:, vapour] = gain * out[:, near] + offset
    return np.maximum(out, 1)


def _one_class(dn: np.ndarray, name: str) -> dict[str, Any]:
    """Return the materials and the texture of the chips (N, 12, 64, 64) of one class."""
    n, bands, side, _ = dn.shape
    blocks = dn.reshape(n, bands, side // BLOCK, BLOCK, side // BLOCK, BLOCK)
    means = blocks.mean(axis=(3, 5))
    residual = (blocks - means[:, :, :, None, :, None]).reshape(dn.shape)
    rough = residual.reshape(blocks.shape)[:, BAND_INDEX["B04"]].std(axis=(2, 4))
    if name in BUILT:
        samples = dn[:, :, 1::3, 1::3].transpose(0, 2, 3, 1).reshape(-1, bands)
        calm = np.ones((n, side, side), bool)
    else:
        quiet = np.ones(rough.shape, bool) if name in ROUGH else rough <= np.median(rough)
        samples = means.transpose(0, 2, 3, 1)[quiet]
        calm = quiet.repeat(BLOCK, 1).repeat(BLOCK, 2)
    spectra, share = _clusters(samples, MATERIALS.get(name, 6))
    scatter = residual.transpose(0, 2, 3, 1)[calm]
    values, vectors = np.linalg.eigh(np.cov(scatter.T))
    order = np.argsort(values)[::-1][:COMPONENTS]
    components = (vectors[:, order] * np.sqrt(values[order])).T
    # The sign of an eigenvector is arbitrary: a positive component brightens the near infrared.
    components *= np.where(components[:, BAND_INDEX["B08"]] < 0, -1, 1)[:, None]
    scores = np.einsum("kb,nbij->knij", np.linalg.pinv(components.T), residual)
    return {
        "spectra": spectra.round(0).astype(int).tolist(),
        "share": share.round(3).tolist(),
        "components": components.round(1).tolist(),
        "power": [_radial_power(fields) for fields in scores],
    }


def _clusters(samples: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster means (count, 12) of (N, 12) spectra, and their shares. Logarithms separate dark materials
    too."""
    logs = np.log(np.maximum(samples, 50))
    centres, place = kmeans2(logs, count, seed=7, minit="++", iter=30)
    share = np.bincount(place, minlength=count) / len(logs)
    means = np.array([samples[place == k].mean(axis=0) if share[k] else np.exp(centres[k]) for k in range(count)])
    order = np.argsort(-share)
    return means[order], share[order]


def _radial_power(fields: np.ndarray) -> list[float]:
    """Return the mean power of (N, 64, 64) fields in equal bins of spatial frequency from 0 to 0.5 cycles per pixel,
    scaled to a maximum of 1."""
    window = np.hanning(fields.shape[1])[:, None] * np.hanning(fields.shape[2])
    power = (np.abs(np.fft.fft2(fields * window)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(power.shape[0])[:, None], np.fft.fftfreq(power.shape[1]))
    place = np.minimum((frequency / 0.5 * RADIAL_BINS).astype(int), RADIAL_BINS - 1)
    mean = np.bincount(place.ravel(), power.ravel(), RADIAL_BINS) / np.bincount(place.ravel(), minlength=RADIAL_BINS)
    return [float(f"{value:.3g}") for value in mean / mean.max()]


def _typical(chips: Chips, places: np.ndarray) -> np.ndarray:
    """Return (N,) bool: true for chips in `REGION` under a clear sky."""
    west, south, east, north = REGION
    lon, lat = places.T
    dark = np.quantile(chips.dn[:, BAND_INDEX["B02"]], 0.05, axis=(1, 2))
    return (west < lon) & (lon < east) & (south < lat) & (lat < north) & (dark < CLEAR_DN)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the statistics and write them to `class_statistics.json`."""
    parser = argparse.ArgumentParser(prog="python -m lc_assets.training.data.demo_statistics", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with eurosat_ms.tif, l2a_weak.tif and their CSVs"
    )
    folder = parser.parse_args(arguments).data
    chips, official = read_packed(folder, "eurosat_ms")
    l2a, _ = read_packed(folder, "l2a_weak")
    with (folder / "eurosat_ms.csv").open(newline="", encoding="utf-8") as lines:
        places = np.array([(float(row["lon"]), float(row["lat"])) for row in csv.DictReader(lines)])
    found = class_statistics(chips.where((official == "train") & _typical(chips, places)), l2a)
    lines_of = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(figures, separators=(',', ':'))}" for name, figures in found.items()
    )
    STATISTICS.write_text("{\n" + lines_of + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
