"""The map of the scenes: land, the antimeridian, labels."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lc_assets.core.errors import LandCoverError
from lc_assets.products.pages import locator_map
from lc_assets.products.pages.locator_map import Extent, MapMarker, extent_of, land_png, locator_svg, outlines
from lc_assets_tests.products.pages.gallery_scenes import box


@pytest.mark.slow
def test_land_has_the_right_position(tmp_path: Path) -> None:
    @cache
    def alphas(extent: Extent) -> np.ndarray:
        path = tmp_path / "land.png"
        path.write_bytes(land_png(extent))
        with Image.open(path) as image:
            assert image.mode == "P"
            return np.asarray(image.convert("RGBA"))[:, :, 3]

    def at(extent: Extent, longitude: float, latitude: float) -> int:
        land = alphas(extent)
        x, y = extent.at((longitude, latitude))
        return int(land[int(y / extent.height * land.shape[0]), int(x / 1000 * land.shape[1])])

    europe = Extent(-12, 42, 22, 58)
    assert at(europe, 13.4, 52.5) > 100  # Berlin
    assert at(europe, -10, 48) == 0  # the Atlantic
    fiji = Extent(174, -22, 186, -14)
    assert at(fiji, 178.0, -17.8) > 100  # Viti Levu
    assert at(fiji, 180.15, -16.8) > 100  # Taveuni, beyond the antimeridian
    assert at(fiji, 184, -20) == 0


@pytest.fixture
def without_land(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read the land mask takes a second."""
    monkeypatch.setattr(locator_map, "land_png", lambda _: b"")


@pytest.mark.usefixtures("without_land")
def test_scenes_on_both_sides_of_the_antimeridian_are_neighbours() -> None:
    split = {
        "type": "MultiPolygon",
        "coordinates": [box(179, -17, 180, -16)["coordinates"], box(-180, -17, -179.5, -16)["coordinates"]],
    }
    jumping = box(179.5, -18, -179.5, -17)
    rings = [*outlines(split), *outlines(jumping)]
    extent = extent_of(rings)
    assert extent.west < 179 < 180.5 < extent.east < 200
    drawn = locator_svg(
        [MapMarker("a", "#", "split", outlines(split)), MapMarker("b", "#", "jumping", outlines(jumping))], extent
    )
    xs = [float(pair.split(",")[0]) for part in drawn.split('d="M')[2:] for pair in part.split("Z")[0].split()]
    assert max(xs) - min(xs) < 250  # of 1000: side by side


@pytest.mark.usefixtures("without_land")
def test_scenes_far_apart_are_shown_on_the_whole_world() -> None:
    rings = [ring for west in (-70, 13, 150) for ring in outlines(box(west, -20, west + 1, -19))]
    extent = extent_of(rings)
    assert (extent.west, extent.east) == (-180, 180)
    assert 'class="spot dot"' in locator_svg([MapMarker("a", "#", "one", tuple(rings[:1]))], extent)


@pytest.mark.usefixtures("without_land")
def test_labels_and_links_of_the_map_are_escaped() -> None:
    svg = locator_svg([MapMarker('"><b>', '"><b>', '"><b>', outlines(box(1, 1, 2, 2)))], Extent(0, 0, 6, 4))
    assert "<b>" not in svg


def test_a_land_mask_of_another_shape_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    np.savez(tmp_path / "mask.npz", mask=np.zeros((4, 4), dtype=bool))
    monkeypatch.setattr(locator_map, "_mask_file", lambda: tmp_path / "mask.npz")
    with pytest.raises(LandCoverError, match="install it again"):
        land_png(Extent(0, 0, 6, 4))
