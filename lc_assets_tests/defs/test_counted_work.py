"""The work of a run is counted: pixels decoded and computed, bytes hashed and written, modules. No time is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lc_assets.demo.scene import DEMO_ITEM_ID, write_demo_scene
from lc_assets.inference.dense.evaluators import Evaluator
from lc_assets.inference.loading import open_model
from lc_assets.inference.positions.grid import PositionGrid
from lc_assets.inference.windows.strips import StripPlan, plan_strips
from lc_assets.sentinel2.band_table import BANDS
from lc_assets.sentinel2.bands.validity import CELL
from lc_assets.store.layout import SceneLayout, Store
from lc_assets_tests.rig.command import NOBODY

TILE = 10980
SIDE = 1632
"""Side of the scene in pixels: large enough that pictures are made from overviews, those of the report too."""
_COUNTING = """
import json, sys
from collections import Counter
from pathlib import Path

import rasterio.io

from lc_assets.cli.main import main
from lc_assets.core import checksum
from lc_assets.inference.dense.backends import OpenVinoPasses

decoded, hashed, computed = Counter(), Counter(), Counter()
read, digests, backbone = rasterio.io.DatasetReader.read, checksum.digests, OpenVinoPasses.backbone


def counting_read(self, indexes=None, **options):
    window, shape = options.get("window"), options.get("out_shape")
    rows, columns = shape[-2:] if shape else (window.height, window.width) if window else self.shape
    decoded[Path(self.name).stem.removeprefix("native_")] += rows * columns
    return read(self, indexes, **options)


def counting_digests(path, **options):
    hashed[path.suffix] += path.stat().st_size
    return digests(path, **options)


def counting_backbone(self, dn, usable, offset):
    computed["pixels"] += usable.size
    return backbone(self, dn, usable, offset)


rasterio.io.DatasetReader.read = counting_read
checksum.digests = counting_digests
OpenVinoPasses.backbone = counting_backbone
main(sys.argv[1:], standalone_mode=False)
written = next(int(line.split()[1]) for line in open("/proc/self/io") if line.startswith("wchar"))
counts = {"decoded": decoded, "hashed": hashed, "computed": computed["pixels"], "written": written}
print(json.dumps({**counts, "modules": sorted(sys.modules)}))
"""
"""Runs a command. A read with `out_shape` takes the overview that fits, so it counts as that many pixels."""


@dataclass
class Run:
    """What a run of `lc-assets classify` did.

    Attributes:
        decoded: stem of a raster -> pixels that were read.
        hashed: suffix -> bytes that were hashed.
        computed: pixels of the blocks that went through the network.
        written: bytes that were written.
        modules: the modules that were imported.
        scene: the scene's folder in the store.
    """

    decoded: dict[str, int]
    hashed: dict[str, int]
    computed: int
    written: int
    modules: list[str]
    scene: SceneLayout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A scene of SIDE x SIDE px, classified by a process of its own, after the model was used once."""
    folder = tmp_path_factory.mktemp("counted")
    item = write_demo_scene(folder / "scene", shape=(SIDE, SIDE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LC_ASSETS_CACHE", str(folder / "cache"))
        open_model(again=True)
        settings = {"LC_ASSETS_STORE": str(folder / "store"), "DAGSTER_HOME": str(folder / "home")}
        done = subprocess.run(
            [sys.executable, "-c", _COUNTING, "classify", str(item)],
            env={**os.environ, **settings, "LC_ASSETS_STAC_URL": NOBODY, "LC_ASSETS_THREADS": "2"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
    return Run(**json.loads(done.stdout.splitlines()[-1]), scene=Store.at(folder / "store").scene(DEMO_ITEM_ID))


@pytest.mark.slow
def test_a_run_with_a_model_that_was_used_before_imports_neither_keras_nor_its_backends(run: Run) -> None:
    assert {"keras", "tensorflow", "torch", "jax", "pyogrio", "planetary_computer"} & {*run.modules} == set()


@pytest.mark.slow
def test_each_band_is_decoded_once_and_pictures_come_from_overviews(run: Run) -> None:
    for band in BANDS:
        pixels = (SIDE // band.factor) ** 2
        # The UI's pictures have up to 480 and 320 px a side. The report reads four bands at half of their resolution.
        assert pixels <= run.decoded[band.name] <= pixels + 480**2 + 320**2 + pixels // 4


@pytest.mark.slow
def test_written_rasters_are_decoded_once_to_verify_them_and_the_class_map_once_more_for_its_overview(run: Run) -> None:
    pixels, name = SIDE**2, run.scene.classified.stem
    assert pixels <= run.decoded[run.scene.confidence.stem] <= 1.3 * pixels
    assert 2 * pixels <= run.decoded[name] <= 2.6 * pixels


@pytest.mark.slow
def test_little_more_is_hashed_and_written_than_the_products(run: Run) -> None:
    scene = run.scene
    rasters = (scene.classified, scene.confidence, scene.probabilities, scene.overview)
    size = sum(path.stat().st_size for path in rasters)
    assert run.hashed[".tif"] <= 2.1 * size  # when they are written, and when the catalog describes them
    assert run.written <= 12e6 + 4 * SIDE**2


def plans_of_a_tile() -> tuple[Evaluator, list[StripPlan]]:
    evaluator = open_model(precision="float32").position_evaluator()
    grid = PositionGrid(TILE, TILE, evaluator.receptive_field, evaluator.feature_stride)
    return evaluator, plan_strips(grid, evaluator)


def test_the_network_computes_few_pixels_of_a_tile_twice() -> None:
    """Blocks overlap by the view of a position, and the last ones are padded."""
    _, plans = plans_of_a_tile()
    computed = sum(block.shape[0] * block.shape[1] for plan in plans for block in plan.blocks)
    assert len({block.shape for plan in plans for block in plan.blocks}) == 1  # so that one program is compiled
    assert computed <= 1.25 * TILE**2


def test_a_strip_of_a_tile_takes_at_most_64_mb() -> None:
    """Several strips are in memory at a time: their bands, and what the network computes of them."""
    evaluator, plans = plans_of_a_tile()
    around = 2 * (evaluator.contract.chip_size + CELL)  # rows that replace pixels without data, and interpolation
    for plan in plans:
        pixels = (plan.bottom - plan.top + around) * TILE
        bands = sum(2 * pixels / band.factor**2 for band in BANDS)
        features = sum(4 * block.rows * block.columns * evaluator.outputs for block in plan.blocks)
        assert bands + features <= 64e6
