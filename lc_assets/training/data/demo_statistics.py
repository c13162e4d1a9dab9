"""What the labelled chips look like, in numbers, for the demo scene:
`python -m lc_assets.training.data.demo_statistics --data ../shared/data/eurosat`.

Writes `class_statistics.json`, the only thing that the scene generator knows of the real world. Per class: the spectra
of its materials (clusters of what its chips are made of: crops in their states, roofs, asphalt, gardens), how often
each occurs, how pixels scatter within one (principal components of the spectra, radial power spectrum in space).
Statistics only, never pixels.

The chips are L1C; the figures are brought to the surface (L2A) by the relation between the distributions of the
credible classes of the L1C and the L2A chips.
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
"""West, south, east, north (degrees): temperate Europe, so that one scene does not mix Provence with Lapland."""
CLEAR_DN = 1000
"""Chips whose darkest pixels (5 %) are brighter than this in B02 are hazy, and left out. L1C DN; a clear sky alone
gives 700-900."""

MATERIALS = {"AnnualCrop": 12, "Residential": 16, "Industrial": 16, "Highway": 8, "River": 8, "PermanentCrop": 8}
"""Clusters per class; 6 where not named."""
BLOCK = 8
"""Side (px) of the blocks that hold one material each in fields, woods and lakes."""
ROUGH = ("Forest", "HerbaceousVegetation")
"""Classes that are rough by nature: measured in all blocks. In the others the calmer half is taken, for the rest holds
borders."""
BUILT = ("Residential", "Industrial", "Highway", "River")
"""Classes whose materials are smaller than a block: clustered by pixel."""
COMPONENTS = 4
RADIAL_BINS = 16

PAIRED = ("AnnualCrop", "Forest", "Highway", "Industrial", "Pasture", "Residential", "River", "SeaLake")
"""Classes whose weak L2A labels are credible, at `PAIRED_VOTES` of ten."""
PAIRED_VOTES = 8
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def class_statistics(chips: Chips, l2a: Chips) -> dict[str, Any]:
    """All figures, in L2A DN without offset, by class name.

    Args:
        chips: labelled L1C chips of one region under clear skies.
        l2a: weakly labelled L2A chips.
    """
    surface = _to_surface(chips, l2a)
    return {name: _one_class(surface[chips.labels == code], name) for code, name in enumerate(CLASS_NAMES)}


def _to_surface(chips: Chips, l2a: Chips) -> np.ndarray:
    """(N, 12, 64, 64) float32: the L1C chips as L2A would have them.

    Band by band, surface = gain * (top of atmosphere - path radiance), fitted to the quantiles of the paired classes;
    path radiance is never negative. B09 loses half of its light to water vapour at L1C, so it is derived from B8A as
    L2A relates them.
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
    """Materials and texture of one class's chips (N, 12, 64, 64)."""
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
    """Centres (count, 12) of (N, 12) spectra and their shares; logarithms, so that dark materials tell apart too."""
    logs = np.log(np.maximum(samples, 50))
    centres, place = kmeans2(logs, count, seed=7, minit="++", iter=30)
    share = np.bincount(place, minlength=count) / len(logs)
    means = np.array([samples[place == k].mean(axis=0) if share[k] else np.exp(centres[k]) for k in range(count)])
    order = np.argsort(-share)
    return means[order], share[order]


def _radial_power(fields: np.ndarray) -> list[float]:
    """Mean power of (N, 64, 64) fields by spatial frequency, in equal bins from 0 to 0.5 cycles a pixel; the largest is
    1."""
    window = np.hanning(fields.shape[1])[:, None] * np.hanning(fields.shape[2])
    power = (np.abs(np.fft.fft2(fields * window)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(power.shape[0])[:, None], np.fft.fftfreq(power.shape[1]))
    place = np.minimum((frequency / 0.5 * RADIAL_BINS).astype(int), RADIAL_BINS - 1)
    mean = np.bincount(place.ravel(), power.ravel(), RADIAL_BINS) / np.bincount(place.ravel(), minlength=RADIAL_BINS)
    return [float(f"{value:.3g}") for value in mean / mean.max()]


def _typical(chips: Chips, places: np.ndarray) -> np.ndarray:
    """(N,) bool: chips of the region, under a clear sky."""
    west, south, east, north = REGION
    lon, lat = places.T
    dark = np.quantile(chips.dn[:, BAND_INDEX["B02"]], 0.05, axis=(1, 2))
    return (west < lon) & (lon < east) & (south < lat) & (lat < north) & (dark < CLEAR_DN)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute and write."""
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
