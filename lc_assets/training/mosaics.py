"""Put tiles together into mosaics, for a network that answers position by position.

A chip of EuroSAT shows one class. In a scene the classes lie side by side, so a network that has seen chips alone does
not know where one ends. In a mosaic it sees several tiles beside each other, each with its own label. Lakes and
rivers are drawn with water from any tile, so that their shape decides between SeaLake and River. Each tile is shown as
L1C or L2A, whatever it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.sentinel2.band_table import BANDS
from lc_assets.training.data.chips import CHIP, UNLABELLED
from lc_assets.training.data.tiles import WATER, WET, Tiles
from lc_assets.training.layouts import blob, curve, regions
from lc_assets.training.level_conversion import conversion
from lc_assets.training.network import MARGIN, POSITION_STRIDE
from lc_assets.training.position_labels import cover_weights
from lc_assets.training.scaling import Scaling

MOSAIC = 112
"""Side of a mosaic, px. It gives 17 x 17 positions."""
_RIM = 8
"""A mosaic is drawn larger by this many pixels and cut at random, so that coarse pixels have any phase. A multiple of
the coarsest pixel must fit: 120 px are 20 pixels of 60 m."""
_LAKE, _RIVER = CLASS_NAMES.index("SeaLake"), CLASS_NAMES.index("River")


GAIN_SIGMA = np.array([0.12, 0.08, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.25, 0.08, 0.08], np.float32)
"""Standard deviation of the log gain per band: season, sun and atmosphere that the conversion of levels leaves."""
LIGHT_DN = np.array([500, 400, 250, 170, 140, 100, 90, 85, 75, 60, 20, 10], np.float32)
"""Path radiance of a clear to hazy atmosphere per band (DN), decreasing with wavelength."""
GROWTH = np.array([0, 0, 0, 0, 0.3, 0.8, 1, 1, 1, 1, 0, 0], np.float32)
"""Share of each band in what differs between plants of one kind: leaves reflect the near infrared, more in a good year
and in young stands (red edge: Horler et al. 1983, doi:10.1080/01431168308948546)."""
GROWTH_SIGMA = 0.1
"""Standard deviation of the log gain of the near infrared between the tiles of a mosaic."""


@dataclass(frozen=True)
class Batch:
    """Network input and what is known of its positions.

    Attributes:
        x: (N, 12, side, side) float32 scaled input.
        labels: (N, rows, columns) int64, label of the tile of each position, `UNLABELLED` for none.
        weights: (N, rows, columns, 9) float32 of `cover_weights`; all 0 where nothing is known or a cell crosses a
            border.
        parts: (N, rows, columns) int64, number of the part, unique in the batch.
    """

    x: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    parts: torch.Tensor


class Mosaics:
    """Draws batches of mosaics and of whole tiles from several sources.

    Args:
        sources: the tiles.
        shares: share of each source in the tiles that are drawn; an empty source is not drawn from.
        scaling: scaling of the network's input.
        jitter: strength of the variation of gain and offset.
        lakes: share of lakes in the water that is drawn; the rest are rivers.
    """

    def __init__(
        self,
        sources: Sequence[Tiles],
        shares: Sequence[float],
        scaling: Scaling,
        jitter: float = 1.0,
        lakes: float = 0.5,
    ):
        self._sources, self._scaling, self._jitter, self._lakes = sources, scaling, jitter, lakes
        there = np.array([share if len(tiles) else 0 for share, tiles in zip(shares, sources, strict=True)])
        self._shares = there / there.sum()
        self._wet = [n for n, tiles in enumerate(sources) if len(tiles.with_water)]
        for n in self._wet:
            sources[n].nearest_water  # noqa: B018 (computed once, before threads share it)

    def tiles(self, count: int, rng: np.random.Generator) -> tuple[Batch, torch.Tensor]:
        """Return a batch of whole tiles, turned at random, and their labels (count,)."""
        canvases = [_Canvas(np.zeros((CHIP, CHIP), np.uint8), [self._drawn(rng)]) for _ in range(count)]
        x, batch = self._batch(canvases, 0, rng)
        first = [canvas.drawn[0] for canvas in canvases]
        labels = torch.tensor([int(self._sources[drawn.source].labels[drawn.position]) for drawn in first])
        return Batch(x, *batch), labels

    def mosaics(self, count: int, rng: np.random.Generator) -> Batch:
        """Return a batch of mosaics of `MOSAIC` px."""
        x, batch = self._batch([self._canvas(rng) for _ in range(count)], _RIM, rng)
        return Batch(x, *batch)

    def _drawn(self, rng: np.random.Generator, water: int | None = None) -> _Drawn:
        """Return a random tile; one with water where a class of water is given."""
        if water is None:
            source = int(rng.choice(len(self._sources), p=self._shares))
            return _Drawn(source, int(rng.integers(len(self._sources[source]))), None)
        shares = self._shares[self._wet] / self._shares[self._wet].sum()
        source = self._wet[int(rng.choice(len(self._wet), p=shares))]
        return _Drawn(source, int(rng.integers(len(self._sources[source].with_water))), water)

    def _canvas(self, rng: np.random.Generator) -> _Canvas:
        size = MOSAIC + _RIM
        count = 1 if rng.random() < 0.2 else int(rng.integers(2, 8))
        parts = regions(size, count, rng)
        drawn = [self._drawn(rng) for _ in range(count)]
        for _ in range(int(rng.integers(0, 4))):
            water = None
            if rng.random() < 0.5 and self._wet:
                water = _LAKE if rng.random() < self._lakes else _RIVER
            shape = curve(size, rng) if water == _RIVER else blob(size, rng)
            parts[shape] = len(drawn)
            drawn.append(self._drawn(rng, water))
        return _Canvas(parts, drawn)

    def _batch(
        self, canvases: list[_Canvas], rim: int, rng: np.random.Generator
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        size = len(canvases[0].parts)
        top, left = rng.integers(0, rim + 1, 2)
        side = size - rim
        rows = (side - 2 * MARGIN) // POSITION_STRIDE
        inner = (
            slice(top + MARGIN, top + MARGIN + rows * POSITION_STRIDE),
            slice(left + MARGIN, left + MARGIN + rows * POSITION_STRIDE),
        )
        x = np.empty((len(canvases), size, size, 12), np.float32)
        labels = np.empty((len(canvases), rows, rows), np.int64)
        weights = np.empty((len(canvases), rows, rows, 9), np.float32)
        for n, canvas in enumerate(canvases):
            cover = self._fill(canvas, x[n], inner, rng)
            cells = canvas.parts[inner].reshape(rows, POSITION_STRIDE, rows, POSITION_STRIDE)
            pure = cells.min(axis=(1, 3)) == cells.max(axis=(1, 3))
            cover = cover.reshape(rows, POSITION_STRIDE, rows, POSITION_STRIDE, 9).mean(axis=(1, 3)) / 255
            weights[n] = cover_weights(cover) * pure[..., None]
            of_part = np.array([self._label(drawn) for drawn in canvas.drawn])
            labels[n] = of_part[cells[:, 0, :, 0]]
        parts = np.stack([c.parts[inner][::POSITION_STRIDE, ::POSITION_STRIDE] for c in canvases]).astype(np.int64)
        parts += 256 * np.arange(len(canvases))[:, None, None]
        x -= self._scaling.mean
        x /= self._scaling.std
        drawn = torch.from_numpy(x).permute(0, 3, 1, 2)
        if rim:
            drawn = _blended(drawn, np.stack([c.parts for c in canvases]))
        drawn = drawn[:, :, top : top + side, left : left + side].contiguous(memory_format=torch.channels_last)
        self._hide(drawn, weights, rng)
        return drawn, (torch.from_numpy(labels), torch.from_numpy(weights), torch.from_numpy(parts))

    def _fill(
        self, canvas: _Canvas, out: np.ndarray, inner: tuple[slice, slice], rng: np.random.Generator
    ) -> np.ndarray:
        """Write the DN of a canvas to `out`, and return the cover (rows, columns, 9) uint8 of its inner part."""
        size, parts = len(canvas.parts), len(canvas.drawn)
        # The water of half of the tiles is that of another tile: its colour says nothing of its kind, its shape does.
        other = [self._drawn(rng, _LAKE) if self._wet and rng.random() < 0.5 else None for _ in canvas.drawn]
        # Half of the water is murky, as by algae or with a bottom that shows: some of another ground is mixed in.
        ground = [self._drawn(rng) for _ in canvas.drawn]
        murk = np.where(rng.random(parts) < 0.5, rng.uniform(0, 0.25, parts), 0)
        each = [(drawn, water or drawn, g) for drawn, water, g in zip(canvas.drawn, other, ground, strict=True)]
        l2a = np.array([self._l2a(drawn) for three in each for drawn in three])
        factor, summand = conversion(l2a, np.full(3 * parts, rng.random() < 0.6), rng)
        gain, light = self._variation(parts, rng)
        gain, light = gain.repeat(3, axis=0), light.repeat(3, axis=0)
        factor, summand = factor * gain, summand * gain + light

        def shown(dn: np.ndarray, row: int) -> np.ndarray:
            return np.maximum(dn * factor[row] + summand[row], 1)

        def murky(values: np.ndarray, part: int) -> np.ndarray:
            if not murk[part]:
                return values
            number, position, _ = ground[part]
            mean = self._sources[number].dn[position].mean(axis=(0, 1), dtype=np.float32)
            return values + murk[part].astype(np.float32) * (shown(mean, 3 * part + 2) - values)

        # Numbers of the bands' positions in a tile, mirrored at its borders, from a random start.
        start = rng.integers(0, 2 * CHIP, (parts, 2)) if size > CHIP else rng.integers(0, 2, (parts, 2)) * CHIP
        along = np.arange(size)
        cover = np.empty((size, size, 9), np.uint8)
        for part, drawn in enumerate(canvas.drawn):
            mask = canvas.parts == part
            if not mask.any():
                continue
            v, u = np.nonzero(mask) if parts > 1 else (along[:, None], along[None, :])
            v, u = _mirrored(v + start[part, 0]), _mirrored(u + start[part, 1])
            if rng.random() < 0.5:
                v, u = u, v
            dn, seen = self._pixels(drawn, v, u)
            values = shown(dn, 3 * part)
            if drawn.water is not None:
                values = murky(values, part)
            of_water = other[part]
            if of_water is not None and drawn.water is None:
                wet = seen[..., WATER] >= WET
                if wet.any():
                    v, u = np.broadcast_arrays(v, u)
                    dn, _ = self._pixels(of_water, v[wet], u[wet])
                    values[wet] = murky(shown(dn, 3 * part + 1), part)
            if parts > 1:
                out[mask], cover[mask] = values, seen
            else:
                out[:], cover[:] = values, seen
        return cover[inner]

    def _pixels(self, drawn: _Drawn, v: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return DN (..., 12) float32 and cover (..., 9) uint8 of the rows `v` and columns `u` of a tile; of its water
        that is nearest to each of them where only its water is drawn."""
        tiles, position = self._sources[drawn.source], drawn.position
        if drawn.water is None:
            return tiles.dn[position][v, u].astype(np.float32), tiles.cover[position][v, u]
        nearest = tiles.nearest_water[position]
        v, u = nearest[0, v, u], nearest[1, v, u]
        dn = tiles.dn[tiles.with_water[position]][v, u].astype(np.float32)
        return dn, np.broadcast_to((255 * (np.arange(9) == WATER)).astype(np.uint8), (*dn.shape[:-1], 9))

    def _l2a(self, drawn: _Drawn) -> bool:
        tiles = self._sources[drawn.source]
        return bool(tiles.l2a[drawn.position if drawn.water is None else tiles.with_water[drawn.position]])

    def _label(self, drawn: _Drawn) -> int:
        """Return the label that the positions of a part learn. That of a River chip holds for the whole chip only: its
        water may be that of a bay or a pond, and in a mosaic it is cut and mirrored into any shape. Drawn rivers show
        what a river is."""
        number, position, water = drawn
        if water is not None:
            return water
        label = int(self._sources[number].labels[position])
        return UNLABELLED if label == _RIVER else label

    def _variation(self, parts: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return gain and added light, (parts, 12) float32: one draw for a mosaic, with a smaller one for each part."""
        amount = self._jitter * (rng.uniform(0, 0.4) if rng.random() < 0.5 else rng.uniform(0, 1))
        common = rng.normal(0, 0.10) + rng.normal(0, 1, 12) * GAIN_SIGMA
        own = rng.normal(0, 0.05, (parts, 1)) + rng.normal(0, 0.02, (parts, 12))
        own = own + rng.normal(0, GROWTH_SIGMA, (parts, 1)) * GROWTH
        light = rng.uniform(-0.35, 0.45) + rng.normal(0, 0.08, (parts, 12))
        return np.exp(amount * (common + own)).astype(np.float32), (amount * light * LIGHT_DN).astype(np.float32)

    def _hide(self, x: torch.Tensor, weights: np.ndarray, rng: np.random.Generator) -> None:
        """Hide a part of some mosaics, in place, and fill it with the nearest visible pixels, as a scene is read."""
        side, rows = x.shape[-1], weights.shape[1]
        for n in np.flatnonzero(rng.random(len(x)) < 0.06):
            hidden = blob(side, rng, side / 2)
            if rng.random() < 0.4:
                hidden = regions(side, 2, rng) == 1
            if hidden.mean() > 0.7 or not hidden.any():
                continue
            row, column = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
            x[n] = x[n][:, torch.from_numpy(row).long(), torch.from_numpy(column).long()]
            cells = hidden[MARGIN : MARGIN + rows * POSITION_STRIDE, MARGIN : MARGIN + rows * POSITION_STRIDE]
            weights[n][cells.reshape(rows, POSITION_STRIDE, rows, POSITION_STRIDE).any(axis=(1, 3))] = 0


class _Drawn(NamedTuple):
    """A tile: number of its source, its position there (in `with_water` for water), class of the water if it is drawn
    as a lake or a river."""

    source: int
    position: int
    water: int | None


@dataclass(frozen=True)
class _Canvas:
    """Parts of a mosaic: (side, side) uint8 numbers, and the tile of each."""

    parts: np.ndarray
    drawn: list[_Drawn]


def _mirrored(number: np.ndarray) -> np.ndarray:
    number = number % (2 * CHIP)
    return np.minimum(number, 2 * CHIP - 1 - number)


def _blended(x: torch.Tensor, parts: np.ndarray) -> torch.Tensor:
    """Mix the parts along their borders in the bands of 20 and 60 m, whose pixels cover more than one of 10 m.

    Args:
        x: (N, 12, side, side) scaled input.
        parts: (N, side, side) uint8.
    """
    out = x.clone()
    for metres in (20, 60):
        bands = [n for n, band in enumerate(BANDS) if band.gsd == metres]
        factor = metres // 10
        near = (1, 2 * factor + 1, 2 * factor + 1)
        border = ndimage.maximum_filter(parts, near) != ndimage.minimum_filter(parts, near)
        coarse = functional.avg_pool2d(x[:, bands], factor)
        fine = functional.interpolate(coarse, scale_factor=factor, mode="bilinear", align_corners=False)
        out[:, bands] = torch.where(torch.from_numpy(border[:, None]), fine, out[:, bands])
    return out
