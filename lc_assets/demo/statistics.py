"""What the labelled chips look like, in numbers: `python -m lc_assets.demo.statistics --data ../shared/data/eurosat`.

Writes `class_statistics.json`, the only thing that the scene generator knows of the real world: per class a few typical
spectra, how pixels scatter about them in spectrum (principal components) and in space (radial power spectra,
quantiles), the spectrum of the thing that makes a river a river and a road a road, and how L1C turns into L2A.
Statistics only, never pixels.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2

from lc_assets.landcover import CLASS_NAMES
from lc_assets.sentinel2.bands import BAND_INDEX
from lc_assets.training.data import Chips, read_packed

STATISTICS = Path(__file__).with_name("class_statistics.json")

CLUSTERS = 5
COMPONENTS = 4
RADIAL_BINS = 20
QUANTILES = np.linspace(0.01, 0.99, 25)


def class_statistics(chips: Chips, l2a: Chips) -> dict[str, Any]:
    """All figures, by class name.

    Args:
        chips: labelled L1C chips.
        l2a: weakly labelled L2A chips.
    """
    classes = {name: _one_class(chips.dn[chips.labels == code]) for code, name in enumerate(CLASS_NAMES)}
    classes["River"]["structure"] = _extreme(chips, "River", lambda x: x[:, BAND_INDEX["B08"]], 0.12)
    classes["Highway"]["structure"] = _extreme(
        chips, "Highway", lambda x: x[:, BAND_INDEX["B08"]].astype(np.float32) - 1.2 * x[:, BAND_INDEX["B04"]], 0.06
    )
    return {"classes": classes, "to_l2a": _to_l2a(chips, l2a)}


def _one_class(dn: np.ndarray) -> dict[str, Any]:
    """Typical spectra, scatter in spectrum and in space of the chips (N, 12, 64, 64) of one class."""
    x = dn.astype(np.float64)
    means = x.mean(axis=(2, 3))
    spread = means.std(axis=0)
    centres, place = kmeans2(means / spread, CLUSTERS, seed=7, minit="++")
    deviation = x - means[:, :, None, None]
    flat = deviation.transpose(1, 0, 2, 3).reshape(x.shape[1], -1)
    values, vectors = np.linalg.eigh(np.cov(flat))
    order = np.argsort(values)[::-1][:COMPONENTS]
    vectors = vectors[:, order] * np.sqrt(values[order])
    # Signs of eigenvectors are arbitrary: a positive component brightens the near infrared.
    vectors *= np.where(vectors[BAND_INDEX["B08"]] < 0, -1, 1)
    scores = np.tensordot(np.linalg.pinv(vectors), deviation, axes=(1, 1)).transpose(1, 0, 2, 3)
    level = scores.std(axis=(2, 3))
    return {
        "spectra": (centres * spread).round(1).tolist(),
        "share": (np.bincount(place, minlength=CLUSTERS) / len(x)).round(3).tolist(),
        "components": vectors.T.round(2).tolist(),
        "power": [_radial_power(scores[:, k]) for k in range(COMPONENTS)],
        "quantiles": [np.quantile(scores[:, k], QUANTILES).round(3).tolist() for k in range(COMPONENTS)],
        "strength": np.quantile(level[:, 0], (0.25, 0.5, 0.75)).round(3).tolist(),
    }


def _radial_power(fields: np.ndarray) -> list[float]:
    """Mean power of (N, 64, 64) fields by spatial frequency, in equal bins from 0 to 0.5 cycles a pixel."""
    window = np.hanning(fields.shape[1])[:, None] * np.hanning(fields.shape[2])
    power = (np.abs(np.fft.fft2(fields * window)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(power.shape[0])[:, None], np.fft.fftfreq(power.shape[1]))
    place = np.minimum((frequency / 0.5 * RADIAL_BINS).astype(int), RADIAL_BINS - 1)
    mean = np.bincount(place.ravel(), power.ravel(), RADIAL_BINS) / np.bincount(place.ravel(), minlength=RADIAL_BINS)
    return [float(f"{value:.4g}") for value in mean / mean.max()]


def _extreme(chips: Chips, name: str, key: Any, share: float) -> list[float]:
    """Mean spectrum of the pixels with the lowest `key` in each chip of a class: the water of a river, the asphalt of a
    road."""
    x = chips.dn[chips.labels == CLASS_NAMES.index(name)]
    score = key(x)
    limit = np.quantile(score, share, axis=(1, 2), keepdims=True)
    spectra = x.transpose(0, 2, 3, 1)[score <= limit]
    return [round(float(value), 1) for value in spectra.mean(axis=0)]


def _to_l2a(chips: Chips, l2a: Chips) -> dict[str, list[float]]:
    """Per band gain and offset (DN) that take the L1C classes' mean spectra to the L2A ones', by least squares over
    classes."""
    names = ("Forest", "Highway", "Industrial", "Residential", "River", "AnnualCrop", "Pasture")
    codes = [CLASS_NAMES.index(name) for name in names]
    sure = l2a.where(l2a.votes >= 8)
    before = np.array([np.median(chips.dn[chips.labels == c], axis=(0, 2, 3)) for c in codes])
    after = np.array([np.median(sure.dn[sure.labels == c], axis=(0, 2, 3)) for c in codes])
    fits = [np.polyfit(before[:, b], after[:, b], 1) for b in range(before.shape[1])]
    return {"gain": [round(float(f[0]), 4) for f in fits], "offset": [round(float(f[1]), 1) for f in fits]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(prog="python -m lc_assets.demo.statistics", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with eurosat_ms.tif and l2a_weak.tif")
    folder = parser.parse_args(arguments).data
    chips, official = read_packed(folder, "eurosat_ms")
    l2a, _ = read_packed(folder, "l2a_weak")
    found = class_statistics(chips.where(official == "train"), l2a)
    STATISTICS.write_text(json.dumps(found, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
