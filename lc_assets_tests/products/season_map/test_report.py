"""The page of a season map shows each date's own classes, and says what the files say."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.products.pages.scene_report import MAX_BYTES
from lc_assets.products.season_map import dates, pictures, write
from lc_assets.products.season_map.dates import MapDate, read_dates
from lc_assets.products.season_map.pictures import build_pictures
from lc_assets.products.season_map.scenes import open_scenes
from lc_assets.products.season_map.write import Made, make_season_map
from lc_assets.raster.cog import class_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import mode_nxn
from lc_assets.raster.polygons import Polygons
from lc_assets.store.layout import Store
from lc_assets.store.season_layout import MapLayout
from lc_assets_tests.products.pages.report_page import check_fits, shown
from lc_assets_tests.products.season_map.conftest import ZONE_32, Clouds, Season, landscape

LEFT, BOTTOM, RIGHT, TOP = ZONE_32.bounds
EVIL = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
AREA = Polygons(
    ("all", EVIL), np.array([shapely.box(*ZONE_32.bounds), shapely.box(LEFT, BOTTOM, LEFT + 800, TOP)]), ZONE_32.crs
)
DAYS = ("20240511", "20240501", "20240610")
"""The order in which scenes are given is not that of their dates."""


def item_of(day: str) -> str:
    return f"S2B_MSIL2A_{day}T103629_R008_T32ULB_{day}T140000"


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory, clouds: Clouds) -> tuple[Made, dict[str, np.ndarray]]:
    """A map of three dates, and the classes of each."""
    store = Store.at(tmp_path_factory.mktemp("season"))
    scenes = Season(store, landscape())
    codes = {
        day: scenes.add(
            item_of(day),
            seed=number,
            cloud=clouds(number),
            when=f"{day[:4]}-{day[4:6]}-{day[6:]}T10:36:29Z",
            platform="sentinel-2b",
        )
        for number, day in enumerate(DAYS)
    }
    Path(str(store.scene(item_of(DAYS[0])).report)).write_text("a page")
    return make_season_map(store, "summer", AREA, [item_of(day) for day in DAYS]), codes


@pytest.fixture(scope="module")
def page(season: tuple[Made, dict[str, np.ndarray]]) -> str:
    return Path(str(season[0].layout.report)).read_text(encoding="utf-8")


def indices(page: str, title: str) -> np.ndarray:
    """The palette indices of the picture of a date."""
    found = re.search(rf'alt="Classes on {title}[^"]*" src="data:image/png;base64,([^"]+)"', page)
    assert found, title
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        assert image.mode == "P"
        return np.array(image)


def test_each_date_is_shown_with_its_own_classes_at_the_resolution_of_the_overview(
    season: tuple[Made, dict[str, np.ndarray]], page: str
) -> None:
    made, codes = season
    with rasterio.open(str(made.layout.overview)) as dataset:
        whole = dataset.read(1)
    for day, title in zip(DAYS, ("11 May 2024", "1 May 2024", "10 June 2024"), strict=True):
        expected = np.where(whole == 10, 10, mode_nxn(codes[day], 2))
        assert np.array_equal(indices(page, title), expected)
        sees = 100 * (expected != 10).sum() / (whole != 10).sum()
        assert f"sees {sees:.1f}\u202f%" in page
    order = [page.index(f'data-title="{title}"') for title in ("1 May 2024", "11 May 2024", "10 June 2024")]
    assert order == sorted(order)


def test_what_scl_hides_is_not_shown(
    season: tuple[Made, dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, codes = season
    store = Store.at(Path(str(made.layout.folder)).parents[1])
    path = Path(str(made.layout.folder)).parent / "scl.tif"
    scl = np.full((100, 120), 4, np.uint8)  # 20 m: vegetation, snow, cloud shadow
    scl[:, 40:80], scl[:, 80:] = 11, 3
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": ZONE_32.crs, "width": 120, "height": 100}
    with rasterio.open(path, "w", transform=ZONE_32.coarsened(2).transform, **profile) as dataset:
        dataset.write(scl, 1)
    monkeypatch.setattr(dates, "scl_raster", lambda store, scene: str(path))
    scenes = open_scenes(store, [item_of(DAYS[0])], AREA)
    (found,) = read_dates(store, [scenes], np.zeros((100, 120), np.uint8), ZONE_32.coarsened(2), 1)
    assert found.codes is not None
    assert np.array_equal(found.codes[:, :40], mode_nxn(codes[DAYS[0]], 2)[:, :40])
    assert (found.codes[:, 80:] == 10).all()
    assert found.sees == (found.codes != 10).mean()


def test_the_page_says_what_the_files_say_and_loads_nothing(
    season: tuple[Made, dict[str, np.ndarray]], page: str
) -> None:
    made, _ = season
    assert "From 3 dates (3 scenes), 1 May 2024 to 10 June 2024." in page
    for kind in ALL_CLASSES[:10]:
        hectares = made.pixels[kind.code] * made.pixel_area
        assert f'<th scope="row">{kind.title}</th><td class="number">{hectares:,.1f}</td>' in page
    for path in Path(str(made.layout.folder)).iterdir():
        if path.name != "report.html" and path.suffix not in (".xml", ".qml"):  # these are for other programs
            assert f'href="./{path.name}"' in page
    assert page.count("../../scenes/") == 1  # the only scene with a page
    assert EVIL not in page
    assert not re.search(r'(?:src|href)="(?!data:|\./|\.\./\.\./(?:scenes/|index\.html"))', page)


def test_with_many_dates_some_are_shown_evenly_and_the_page_says_so(
    season: tuple[Made, dict[str, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = season
    store = Store.at(Path(str(made.layout.folder)).parents[1])
    monkeypatch.setattr(write, "MAX_DATES", 2)
    few = make_season_map(store, "few", AREA, [item_of(day) for day in DAYS])
    page = Path(str(few.layout.report)).read_text(encoding="utf-8")
    assert "2 of 3 dates have a picture." in page
    assert re.findall('data-title="([^"]+)" aria', page) == ["1 May 2024", "10 June 2024"]
    assert page.count('class="when"') == 3


@pytest.mark.slow
def test_pictures_of_a_full_tile_are_small_even_if_they_are_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid("EPSG:32632", Affine(10, 0, 300_000, 0, -10, 5_700_000), 10_980, 10_980)
    overview = grid.coarsened(8)
    rng = np.random.default_rng(1)
    files = MapLayout("noise", tmp_path)
    with class_cog(tmp_path / files.overview.name, overview, {}) as dataset:
        dataset.write(rng.integers(0, 10, overview.shape, np.uint8), 1)

    def noise(path: object, factor: int, nodata: int, item: str) -> np.ndarray:
        return rng.integers(1, 100, (-(-10_980 // factor),) * 2, np.uint8)

    monkeypatch.setattr(pictures, "cell_means", noise)
    monkeypatch.setattr(pictures, "STEPS", pictures.STEPS[-1:])
    codes = rng.integers(0, 11, overview.shape, np.uint8)
    found = build_pictures(files, grid, overview, [MapDate("2024-06-01", (), 1.0, 1.0, codes)] * 12)
    sizes = [len(found.classes), len(found.confidence), len(found.stability), len(found.observations)]
    assert MAX_BYTES / 3 < sum(sizes) + sum(map(len, found.dates)) < 0.7 * MAX_BYTES  # base64 adds a third
    assert found.grid.resolution <= 320
    assert found.dates_grid.resolution == found.grid.resolution * found.coarser
    assert found.dates_grid.resolution <= 640


def test_the_slider_moves_by_keys_and_shows_and_reads_the_chosen_date(
    browser: Any, season: tuple[Made, dict[str, np.ndarray]], page: str
) -> None:
    made, _ = season
    with shown(browser, Path(str(made.layout.report))) as opened:
        assert opened.evaluate("window.hacked") is None
        opened.focus("#date")
        assert opened.get_attribute("#date", "aria-valuetext").startswith("1 May 2024, sees ")
        for key, title, number in (("ArrowRight", "11 May 2024", 1), ("End", "10 June 2024", 2)):
            opened.keyboard.press(key)
            assert opened.get_attribute("#date", "aria-valuetext").endswith(f"{number + 1} of 3")
            assert opened.inner_text("#date-shown").startswith(title)
            assert opened.inner_text("#tag-left") == title
            pressed = opened.evaluate("[...document.querySelectorAll('.date')].map((one) => one.ariaPressed)")
            assert pressed == [str(n == number).lower() for n in range(3)]
        codes = indices(page, "10 June 2024")
        opened.wait_for_timeout(300)  # the values of the picture are decoded
        box = opened.locator("#layer-date").bounding_box()
        for row, column in ((30, 40), (50, 10), (20, 100)):
            opened.mouse.move(
                box["x"] + (column + 0.5) * box["width"] / 120, box["y"] + (row + 0.5) * box["height"] / 100
            )
            assert opened.inner_text("#at-date") == ALL_CLASSES[codes[row, column]].title
        opened.select_option("#left", label="Stability")
        opened.click(".date >> nth=0")
        assert opened.inner_text("#tag-left") == "1 May 2024"


@pytest.mark.parametrize("width", [360, 1600])
def test_the_page_does_not_scroll_sideways(
    browser: Any, season: tuple[Made, dict[str, np.ndarray]], width: int
) -> None:
    with shown(browser, Path(str(season[0].layout.report)), width) as opened:
        check_fits(opened, width)


def test_dates_are_visible_without_script_and_in_print(
    browser: Any, season: tuple[Made, dict[str, np.ndarray]]
) -> None:
    with shown(browser, Path(str(season[0].layout.report)), java_script_enabled=False) as opened:
        for media in ("screen", "print"):
            opened.emulate_media(media=media)
            assert opened.locator("#layer-classes").is_visible()
            assert opened.locator(".date img").count() == 3
            assert opened.locator(".date img >> nth=2").is_visible()
            assert not opened.locator("#date").is_visible()
