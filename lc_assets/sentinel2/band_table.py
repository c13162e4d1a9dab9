"""The band table: the twelve bands of every scene, in the order that all modules use.

B10 (cirrus) is left out because L2A products do not have it. Wavelengths and widths are those of Sentinel-2A, in
micrometres, from ESA's "Sentinel-2 Spectral Response Functions" (S2-SRF, v3.1). Common names are those of STAC's `eo`
extension.
"""

from __future__ import annotations

from typing import NamedTuple


class Band(NamedTuple):
    """One Sentinel-2 MSI band: asset key, native pixel size (m), STAC common name, centre and width (um)."""

    name: str
    gsd: int
    common_name: str
    center_wavelength: float
    full_width_half_max: float

    @property
    def factor(self) -> int:
        """Number of 10 m pixels along the side of one native pixel: 1, 2 or 6."""
        return self.gsd // PIXEL_SIZE


PIXEL_SIZE = 10
"""Pixel size of the stack and of every product raster, in metres."""

BANDS: tuple[Band, ...] = (
    Band("B01", 60, "coastal", 0.443, 0.027),
    Band("B02", 10, "blue", 0.490, 0.098),
    Band("B03", 10, "green", 0.560, 0.045),
    Band("B04", 10, "red", 0.665, 0.038),
    Band("B05", 20, "rededge071", 0.704, 0.019),
    Band("B06", 20, "rededge075", 0.740, 0.018),
    Band("B07", 20, "rededge078", 0.783, 0.028),
    Band("B08", 10, "nir", 0.842, 0.145),
    Band("B8A", 20, "nir08", 0.865, 0.033),
    Band("B09", 60, "nir09", 0.945, 0.026),
    Band("B11", 20, "swir16", 1.610, 0.143),
    Band("B12", 20, "swir22", 2.190, 0.242),
)

BAND_NAMES: tuple[str, ...] = tuple(b.name for b in BANDS)
BAND_INDEX: dict[str, int] = {b.name: i for i, b in enumerate(BANDS)}

REFERENCE_BAND = "B02"
"""The band whose grid is the grid of the stack."""

TRUE_COLOUR: tuple[str, str, str] = ("B04", "B03", "B02")
"""Bands shown as red, green and blue in a true-colour picture."""
FALSE_COLOUR: tuple[str, str, str] = ("B08", "B04", "B03")
"""Bands shown as red, green and blue in a false-colour picture: vigorous plants appear bright red, water dark."""

SCL = "SCL"
"""Asset key of L2A's scene classification (20 m, uint8)."""
SCL_GSD = 20
