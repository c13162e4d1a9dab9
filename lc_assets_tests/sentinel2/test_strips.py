"""Strips and blocks give the stack's own pixels, whatever they are cut into; and rasters are written as given."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from lc_assets.core.errors import StoreError
from lc_assets.core.progress import RowProgress, logging_to, progress_callbacks
from lc_assets.defs.build import build_definitions
from lc_assets.defs.io_managers.resampled_stack import CogStackIOManager
from lc_assets.raster.cog import class_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.upsample import bilinear
from lc_assets.raster.writer import RasterWriter, run_writers
from lc_assets.sentinel2.bands.raw_bands import RawBands, fetch_scene
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.sentinel2.bands.strip_reader import StripReader
from lc_assets.sentinel2.bands.validity import HIDDEN, NO_SOURCE, USABLE
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.sentinel2.scl import is_hidden
from lc_assets_tests.conftest import Desk, copy_scene, read
from lc_assets_tests.sentinel2.stacks import pixels, stack_of

ALL = tuple(range(12))


def upsampled_by_gdal(coarse: np.ndarray, factor: int) -> np.ndarray:
    profile = {"driver": "GTiff", "height": coarse.shape[0], "width": coarse.shape[1], "count": 1, "dtype": "uint16"}
    with MemoryFile() as memory:
        with memory.open(**profile, nodata=0) as dataset:
            dataset.write(coarse, 1)
        with memory.open() as dataset:
            shape = (coarse.shape[0] * factor, coarse.shape[1] * factor)
            return dataset.read(1, out_shape=shape, resampling=Resampling.bilinear)


@pytest.mark.parametrize("factor", [2, 6])
@pytest.mark.parametrize("empty", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("brightest", [40, 12_000, 65_536])
def test_integer_upsampling_equals_gdals_to_the_bit(factor: int, empty: float, brightest: int) -> None:
    rng = np.random.default_rng(2)
    coarse = rng.integers(1, brightest, (120, 90)).astype(np.uint16)
    coarse[rng.random(coarse.shape) < empty] = 0
    assert (bilinear(np.pad(coarse, 1, mode="edge"), factor) == upsampled_by_gdal(coarse, factor)).all()


def cut(stack: Stack, strip: int, block: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The whole stack put together again from blocks of strips."""
    height, width = stack.grid.shape
    dn, usable = np.zeros((12, height, width), np.uint16), np.zeros((height, width), bool)
    with StripReader(stack, mask_hidden=False, threads=2) as reader:
        for top in range(0, height, strip):
            read_strip = reader.read(top, min(top + strip, height))
            for row in range(top, min(top + strip, height), block[0]):
                for column in range(0, width, block[1]):
                    rows = min(block[0], min(top + strip, height) - row)
                    part = np.s_[row : row + rows, column : min(column + block[1], width)]
                    read_strip.read_dn(dn[(slice(None), *part)], row, column, ALL)
                    shape = usable[part].shape
                    usable[part] = read_strip.usable(row, column, *shape)
    return dn, usable


@pytest.mark.parametrize(("strip", "block"), [(512, (600, 600)), (64, (64, 50)), (37, (20, 33))])
def test_blocks_are_the_stacks_own_pixels(demo_item: Path, tmp_path: Path, strip: int, block: tuple[int, int]) -> None:
    stack = stack_of(demo_item, tmp_path)
    dn, valid = pixels(stack)
    blocks, usable = cut(stack, strip, block)
    assert (usable == valid).all()
    assert (blocks[:, valid] == dn[:, valid]).all()
    assert 0 < (~valid).mean() < 0.5


def test_blocks_of_a_written_stack_are_the_same(demo_item: Path, tmp_path: Path) -> None:
    virtual, written = (
        stack_of(demo_item, tmp_path / "v"),
        stack_of(demo_item, tmp_path / "w", CogStackIOManager),
    )
    (a, usable), (b, also) = cut(virtual, 100, (64, 64)), cut(written, 100, (64, 64))
    assert (usable == also).all()
    assert (a[:, usable] == b[:, usable]).all()


def test_beyond_the_edge_a_scene_goes_on_in_its_mirror_image(demo_item: Path, tmp_path: Path) -> None:
    stack = stack_of(demo_item, tmp_path)
    height, width = stack.grid.shape
    dn, valid = pixels(stack)
    dn, valid = np.pad(dn, ((0, 0), (0, 40), (0, 40)), "symmetric"), np.pad(valid, ((0, 40), (0, 40)), "symmetric")
    with StripReader(stack, mask_hidden=False, threads=1) as reader:
        strip = reader.read(height - 90, height)
        block = np.empty((12, 100, 90), np.uint16)
        strip.read_dn(block, height - 60, width - 50, ALL)
        usable = strip.usable(height - 60, width - 50, 100, 90)
    place = np.s_[height - 60 : height + 40, width - 50 : width + 40]
    assert (usable == valid[place]).all()
    assert (block[:, usable] == dn[(slice(None), *place)][:, usable]).all()


def test_a_strip_tells_empty_hidden_and_usable_pixels_apart(demo_item: Path, tmp_path: Path) -> None:
    stack = stack_of(demo_item, tmp_path)
    _, valid = pixels(stack)
    hidden = is_hidden(read(demo_item.parent / "SCL.tif").repeat(2, 0).repeat(2, 1))
    with StripReader(stack, mask_hidden=True, threads=2) as reader:
        strips = [(top, reader.read(top, min(top + 61, 246))) for top in range(0, 246, 61)]
    state = np.concatenate([strip.state[top - strip.first :][: min(61, 246 - top)] for top, strip in strips])
    assert (state == np.where(~valid, NO_SOURCE, np.where(hidden, HIDDEN, USABLE))).all()
    assert {NO_SOURCE, HIDDEN, USABLE} == set(np.unique(state).tolist())


def test_a_file_that_changes_after_it_was_written_is_noticed(tmp_path: Path) -> None:
    grid = Grid("EPSG:32632", rasterio.Affine(10, 0, 300_000, 0, -10, 5_800_000), 700, 600)
    values = np.random.default_rng(0).integers(0, 11, grid.shape).astype(np.uint8)

    def written(path: Path, spoil: bool) -> RasterWriter:
        writer = RasterWriter(path, class_cog(path, grid, {}), lambda: {"MADE": "yes"})
        with run_writers(writer):
            for window in grid.strips(130):
                given = values[window.row_off : window.row_off + window.height].copy()
                writer.put(window, given)
                if spoil:  # the writer's thread may or may not have seen it as it was: it must not matter which
                    writer.put(window, given ^ 1)
        return writer

    good = written(tmp_path / "good.tif", spoil=False)
    assert good.is_verified
    assert (read(tmp_path / "good.tif") == values).all()
    with rasterio.open(tmp_path / "good.tif") as dataset:
        assert dataset.tags()["MADE"] == "yes"
    assert not written(tmp_path / "bad.tif", spoil=True).is_verified


def test_writers_give_their_files_up_when_the_computation_fails(tmp_path: Path) -> None:
    grid = Grid("EPSG:32632", rasterio.Affine(10, 0, 300_000, 0, -10, 5_800_000), 700, 600)
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    writers = [RasterWriter(path, class_cog(path, grid, {}), dict) for path in paths]

    def compute() -> None:
        with run_writers(*writers):
            writers[0].put(Window(0, 0, 700, 100), np.zeros((100, 700), np.uint8))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compute()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_late_is_told_and_stops_the_others(tmp_path: Path) -> None:
    grid = Grid("EPSG:32632", rasterio.Affine(10, 0, 300_000, 0, -10, 5_800_000), 700, 600)
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    writers = [RasterWriter(path, class_cog(path, grid, {}), dict) for path in paths]

    def compute() -> None:
        with run_writers(*writers):
            writers[0].put(Window(0, 0, 999, 10), np.zeros((10, 999), np.uint8))  # wider than the raster
            while not writers[0]._done.done():  # it fails after the last strip was handed over
                time.sleep(0.01)

    with pytest.raises(RasterioIOError, match="Write failed"):
        compute()
    assert list(tmp_path.iterdir()) == []


def test_a_local_band_is_linked_and_a_change_in_place_is_noticed(demo_item: Path, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path)
    scene = parse_scene(read_document(item), base=item)
    folder = tmp_path / "raw_bands"
    folder.mkdir()
    fetch_scene(scene, folder, folder.with_name("incoming"))
    assert (folder / "B02.tif").samefile(item.parent / "B02.tif")
    RawBands.open(folder, scene.id)
    with (item.parent / "B03.tif").open("r+b") as file:  # of the same length: only the time tells
        file.seek(-1, os.SEEK_END)
        file.write(b"\0")
    with pytest.raises(StoreError, match="changed in place"):
        RawBands.open(folder, scene.id)
    # Whatever name is left: what counts is what was fetched.
    (item.parent / "B03.tif").unlink()
    with pytest.raises(StoreError, match="changed in place"):
        RawBands.open(folder, scene.id)


def test_touching_or_copying_a_band_harms_nothing(demo_item: Path, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path)
    scene = parse_scene(read_document(item), base=item)
    folder = tmp_path / "raw_bands"
    folder.mkdir()
    fetch_scene(scene, folder, folder.with_name("incoming"))
    (item.parent / "B03.tif").touch()
    shutil.copytree(folder, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    for place in (folder, tmp_path / "elsewhere"):
        assert RawBands.open(place, scene.id).scene.id == scene.id


def test_no_map_is_made_of_bands_that_changed_after_they_were_fetched(
    demo_item: Path, desk: Desk, tmp_path: Path
) -> None:
    item = copy_scene(demo_item, tmp_path)
    scene = desk.add(item)
    assert desk.materialize("raw_bands", "resampled_stack", "class_raster", stride=64).success
    before = desk.folder(scene.id).classified.read_bytes()
    (item.parent / "B03.tif").write_bytes((item.parent / "B04.tif").read_bytes())  # cp: in place
    job = build_definitions(desk.settings).resolve_job_def("classify_scenes")
    result = job.execute_in_process(
        partition_key=scene.id,
        instance=desk.instance,
        asset_selection=[dg.AssetKey("class_raster")],
        raise_on_error=False,
    )
    assert not result.success
    assert desk.folder(scene.id).classified.read_bytes() == before


def test_what_cannot_be_linked_is_copied(demo_item: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    scene = desk.add(demo_item)
    assert desk.materialize("raw_bands").success
    copy = desk.folder(scene.id).raw_bands / "B02.tif"
    assert copy.read_bytes() == (demo_item.parent / "B02.tif").read_bytes()
    assert copy.stat().st_nlink == 1


def test_replacing_a_source_file_leaves_the_store_as_it_was(demo_item: Path, desk: Desk, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path)
    scene = desk.add(item)
    assert desk.materialize("raw_bands").success
    before = read(desk.folder(scene.id).raw_bands / "B04.tif")
    (item.parent / "B04.tif").unlink()
    assert (read(desk.folder(scene.id).raw_bands / "B04.tif") == before).all()
    RawBands.open(desk.folder(scene.id).raw_bands, scene.id)


def test_progress_tells_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0])
    monkeypatch.setattr("lc_assets.core.progress.time.perf_counter", lambda: next(clock))
    shares: list[float] = []
    words: list[str] = []
    lines: list[str] = []

    def listener(share: float, text: str) -> None:
        shares.append(share)
        words.append(text)

    with progress_callbacks(listener), logging_to(lines.append):
        progress = RowProgress(width=1_000_000)
        progress.update(10, 100)
        progress.update(50, 100)
    assert shares == [0.1, 0.5]
    assert words[0] == "10 %, 5.0 million pixels a second, 18 s left"
    assert lines == ["50 of 100 rows: 50 %, 5.0 million pixels a second, 10 s left"]


def test_a_run_reports_stages_rates_and_precision(classified_demo: tuple[Desk, object]) -> None:
    _, outcome = classified_demo
    report = outcome.metadata["class_raster"]  # type: ignore[attr-defined]
    stages = {record.data["stage"]: record.data for record in report["stages"].records}
    assert {"decode", "interpolate", "evaluate", "average", "write", "cog"} <= set(stages)
    assert all(stage["seconds"] >= 0 for stage in stages.values())
    assert report["evaluation"] == "positions, one every 4 px"
    assert report["precision"] in ("float32", "bfloat16")
