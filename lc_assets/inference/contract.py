"""The contract of a model: bands, scaling, chip size, resampling, classes, checksum.

A `ModelContract` is read from the model's MLM item (`lc_assets.inference.mlm`). The rest of the project knows a model
only through it: no asset has bands, scaling or classes hard-coded. To use your own model, give its `.keras` file and
its MLM item.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from lc_assets.core.errors import BadModel
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.sentinel2.band_table import BAND_INDEX
from lc_assets.sentinel2.bands.stack import KERNELS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAX_CHIP = 1024
"""Largest chip size in pixels. Larger chips would need gigabytes per batch."""
MAX_RIVERS = 100
"""Largest number of pairs in `ModelContract.rivers`."""
_DN_MAX, _STD_MIN = 1e5, 1e-2
"""Limits of the means and standard deviations, in DN (uint16). Outside them a band would dominate or have no effect."""


def check_name(name: str, version: str) -> None:
    """Check that a model's name and version can be part of a folder name in the store.

    Raises:
        BadModel: one of them cannot.
    """
    for what, text in (("name", name), ("version", version)):
        if not _NAME.fullmatch(text) or ".." in text:
            raise BadModel(
                f"its {what} is {text[:80]!r}",
                asset=f"model {name[:80]}",
                remedy="use letters, digits, '.', '_', '-' (100 at most)",
            )


@dataclass(frozen=True)
class ModelContract:
    """The machine-readable description of one model.

    Attributes:
        name: id of the MLM item, e.g. ``eurosat12-gap``.
        version: version of the weights, e.g. ``1``.
        bands: input bands in the model's order, by their Sentinel-2 names (any subset of the band table).
        product_levels: product levels that the model was made for: ``L1C``, ``L2A`` or both.
        mean, std: per band, in DN with the radiometric offset removed. The network input is ``(DN - mean) / std`` in
            float32. A pixel without data that has no pixel with data nearby is replaced by ``mean``, so its input is 0.
        chip_size: width and height of a chip in 10 m pixels.
        resampling: kernel that resamples the 20 m and 60 m bands to 10 m, by GDAL's name (``bilinear``).
        class_names: class of each output, in output order.
        sha256: SHA-256 of the `.keras` file, lower-case hex.
        highest: per band, the highest DN that the network was trained on, offset removed. Higher DN are clipped to it.
            Empty if it is not known.
        positions: whether each position of the model's feature map was trained to predict its own cell.
        rivers: (width in m, share) of rivers, in order of width: the share of SeaLake in the probabilities of River and
            SeaLake that three of four rivers of this width do not exceed. With it, a map of positions tells rivers from
            lakes (`lc_assets.inference.positions.water`). Empty if it is not known.
        hyperparameters, metrics, training_data, limitations, framework: for users and the MLM item. Inference does not
            use them.
    """

    name: str
    version: str
    bands: tuple[str, ...]
    product_levels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    chip_size: int
    resampling: str
    class_names: tuple[str, ...]
    sha256: str
    highest: tuple[float, ...] = ()
    positions: bool = False
    rivers: tuple[tuple[float, float], ...] = ()
    framework: str = "keras"
    framework_version: str = ""
    total_parameters: int = 0
    description: str = ""
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    training_data: tuple[dict[str, str], ...] = ()
    """Sources of the training data: dicts with `title`, `href`, `license`, `attribution`."""
    limitations: tuple[str, ...] = ()
    """Limitations of the model, one sentence each."""

    def __post_init__(self) -> None:
        # Values from JSON or a notebook can be lists: convert them to tuples.
        for name in ("bands", "product_levels", "mean", "std", "highest", "class_names", "limitations"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        check_name(self.name, self.version)
        if len(set(self.bands)) != len(self.bands) or not self.bands:
            raise self._wrong(
                f"its bands are {', '.join(self.bands) or 'none'}",
                "name at least one band, and each band only once, in the model's MLM item",
            )
        levels = self.product_levels
        if isinstance(levels, str) or not levels or not set(levels) <= {"L1C", "L2A"}:
            raise self._wrong(f"its product levels are {levels!r}", "name L1C, L2A or both in lc:product_levels")
        unknown = [b for b in self.bands if b not in BAND_INDEX]
        if unknown:
            raise self._wrong(f"it needs bands that a stack does not have: {', '.join(unknown)}")
        if not (len(self.bands) == len(self.mean) == len(self.std)):
            raise self._wrong(
                f"it has {len(self.bands)} bands, but {len(self.mean)} means and {len(self.std)} standard deviations"
            )
        for band, mean, std in zip(self.bands, self.mean, self.std, strict=True):
            if not (math.isfinite(mean) and abs(mean) <= _DN_MAX and math.isfinite(std) and _STD_MIN <= std <= _DN_MAX):
                raise self._wrong(
                    f"band {band} is scaled by mean {mean:g} and standard deviation {std:g}, impossible for DN",
                    f"give both in DN: mean -{_DN_MAX:g} to {_DN_MAX:g}, deviation {_STD_MIN:g} to {_DN_MAX:g}",
                )
        self._check_highest()
        self._check_rivers()
        if self.resampling not in KERNELS:
            raise self._wrong(f"it needs bands resampled by {self.resampling[:40]!r}", f"name {', '.join(KERNELS)}")
        if self.class_names != CLASS_NAMES:
            raise self._wrong(
                f"it predicts {len(self.class_names)} classes ({', '.join(self.class_names)}), "
                f"but the class table has {len(CLASS_NAMES)} ({', '.join(CLASS_NAMES)})",
                "use a model of the same classes in the same order, or change lc_assets/core/landcover.py",
            )
        if not 1 <= self.chip_size <= MAX_CHIP:
            raise self._wrong(f"its chip size is {self.chip_size} px", f"use 1 to {MAX_CHIP} px")

    def _wrong(self, problem: str, remedy: str = "correct the model's MLM item") -> BadModel:
        return BadModel(problem, asset=f"model {self.name[:80]}", remedy=remedy)

    def _check_highest(self) -> None:
        try:
            highest = tuple(float(high) for high in self.highest)
            fits = not highest or all(
                max(mean, 1) < high <= _DN_MAX for mean, high in zip(self.mean, highest, strict=True)
            )
        except (TypeError, ValueError, OverflowError):
            highest, fits = (), False
        if not fits:
            raise self._wrong(
                f"its highest DN are {str(self.highest)[:200]}",
                f"give one per band (value_scaling's maximum), above its mean and up to {_DN_MAX:g}, or none",
            )
        object.__setattr__(self, "highest", highest)

    def _check_rivers(self) -> None:
        try:
            numbers = [number for river in self.rivers for number in river]
            rivers = tuple((float(width), float(share)) for width, share in self.rivers)
            widths = [width for width, _ in rivers]
            fits = (
                len(rivers) <= MAX_RIVERS
                and all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers)
                and widths == sorted({*widths})
                and all(0 < width < math.inf and 0 <= share <= 1 for width, share in rivers)
            )
        except (TypeError, ValueError, OverflowError):
            rivers, fits = (), False
        if not fits:
            raise self._wrong(
                f"its rivers are {str(self.rivers)[:200]}",
                f"give at most {MAX_RIVERS} pairs of a width in m, increasing, and a share 0 to 1 (lc:rivers)",
            )
        object.__setattr__(self, "rivers", rivers)

    @property
    def band_indices(self) -> tuple[int, ...]:
        """0-based positions of the model's bands in the stack's band axis."""
        return tuple(BAND_INDEX[b] for b in self.bands)

    def resolve_window(self, window: int | None) -> int:
        """Return the side of the windows that a map is made of, in pixels; 0 for a map of positions.

        Args:
            window: 0 for positions, the chip size for windows; None for positions if the model has them, else windows.

        Raises:
            BadModel: the model has no windows of this size, or no positions.
        """
        choices = (0, self.chip_size) if self.positions else (self.chip_size,)
        if window is None:
            return choices[0]
        if window not in choices:
            why = "it has no positions" if window == 0 else f"its windows have {self.chip_size} px"
            raise self._wrong(
                f"a window of {window} px was requested, but {why}",
                f"set window (LC_ASSETS_WINDOW, --window) to {' or '.join(map(str, choices))}, or leave it out",
            )
        return window

    @property
    def fingerprint(self) -> str:
        """12 hex digits that identify everything that a prediction depends on: weights, bands, scaling, chip size,
        kernel, classes, rivers."""
        values: list[Any] = [self.sha256, self.bands, self.mean, self.std, self.chip_size, self.resampling]
        values += [
            self.class_names,
            *([self.highest] if self.highest else []),
            *(["positions"] if self.positions else []),
            *([self.rivers] if self.rivers else []),
        ]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]
