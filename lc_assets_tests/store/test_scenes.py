"""Scenes in an object store are byte-identical to those on a disk, and survive faults of the store."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import rasterio
from rasterio.errors import RasterioIOError

from lc_assets.core.errors import StoreError
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets.products.agreement.scene import agreement_folder, read_document
from lc_assets.store.layout import SceneLayout
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import gdal_path, list_files, walk_files
from lc_assets_tests.conftest import Desk
from lc_assets_tests.rig.command import Shell
from lc_assets_tests.rig.references import agreed
from lc_assets_tests.store.object_stores import SMALL, names_in, only_s3, products_of
from loopback.gate import Gate
from loopback.planetary_computer import PlanetaryComputer
from loopback.programs import WAIT_SECONDS
from loopback.scenes import pc_scene

pytestmark = pytest.mark.xdist_group("object stores")


@pytest.mark.parametrize(
    ("server", "stack"),
    [("azure", "virtual"), *(pytest.param("s3", stack, marks=pytest.mark.slow) for stack in ("virtual", "cog"))],
    indirect=["server"],
    scope="session",
)
def test_a_scene_in_an_object_store_has_the_same_bytes_and_no_other_files(
    desk: Desk, away: Desk, remote: tuple[ObjectPath, Gate], demo_item: Path, tmp_path: Path, stack: str
) -> None:
    """Bands are read by ranges, never as a whole."""
    desk.settings = replace(desk.settings, precision="float32", stack=stack)
    away.settings = replace(away.settings, stack=stack)
    here, there = desk.classify(demo_item, **SMALL), away.classify(demo_item, **SMALL)
    assert products_of(desk) == products_of(away)
    assert names_in(there.folder) == names_in(here.folder)
    documents = [json.loads((f.folder / f"{DEMO_ITEM_ID}_classified.json").read_text()) for f in (here, there)]
    for document in documents:
        document["assets"].pop("report")  # it contains durations
    assert documents[0]["assets"] == documents[1]["assets"]
    assert [path for path, _ in walk_files(tmp_path / "scratch") if path.suffix != ".lock"] == []
    reads = [
        (path, asked)
        for method, path, asked, _ in remote[1].requests
        if method == "GET" and "/raw_bands/" in path and path.endswith(".tif")
    ]
    assert reads and all(asked.startswith("bytes=") for _, asked in reads)


@pytest.mark.slow
def test_gdal_reads_the_latest_content_of_an_object(remote: tuple[ObjectPath, Gate], classified_demo: object) -> None:
    place = remote[0] / "raster.tif"
    with pytest.raises(RasterioIOError):
        rasterio.open(gdal_path(place))
    desk, _ = classified_demo
    folder = desk.folder(DEMO_ITEM_ID)
    for source in (folder.classified, folder.overview, folder.confidence):
        place.write_bytes(source.read_bytes())
        with rasterio.open(gdal_path(place)) as found, rasterio.open(source) as expected:
            assert found.shape == expected.shape and (found.read() == expected.read()).all()


@pytest.mark.slow
def test_refused_writes_are_retried_until_the_store_accepts_them(
    away: Desk, remote: tuple[ObjectPath, Gate], demo_item: Path, desk: Desk
) -> None:
    away.add(demo_item)
    remote[1].refuse("PUT", 503)
    threading.Timer(4, remote[1].refuse).start()
    outcome = away.run(DEMO_ITEM_ID, **SMALL)
    desk.settings = replace(desk.settings, precision="float32")
    desk.classify(demo_item, **SMALL)
    assert outcome.error is None
    assert [status for *_, status in remote[1].requests if status == 503]
    assert products_of(away) == products_of(desk)


@only_s3
def test_a_forbidden_write_is_one_error_and_leaves_no_partial_scene(
    away: Desk, remote: tuple[ObjectPath, Gate], demo_item: Path
) -> None:
    away.add(demo_item)
    remote[1].refuse("PUT", 403)
    outcome: RunResult = away.run(DEMO_ITEM_ID, **SMALL)
    assert outcome.error and "Traceback" not in outcome.error and "sig=" not in outcome.error
    assert DEMO_ITEM_ID in outcome.error and "->" in outcome.error
    remote[1].refuse()
    assert not list(away.folder(DEMO_ITEM_ID).folder.iterdir())
    assert away.materialize("raw_bands").success


def with_raw_bands(desk: Desk, item: Path) -> SceneLayout:
    scene = desk.add(item)
    assert desk.materialize("raw_bands").success
    return desk.folder(scene.id)


@pytest.mark.slow
def test_a_band_that_has_been_changed_in_the_store_is_refused(away: Desk, demo_item: Path) -> None:
    folder = with_raw_bands(away, demo_item)
    band = folder.raw_bands / "B08.tif"
    content = bytearray(band.read_bytes())
    content[-1] ^= 1
    time.sleep(1.1)  # object stores report times in whole seconds
    band.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="changed in place"):
        from lc_assets.sentinel2.bands.raw_bands import RawBands

        RawBands.open(folder.raw_bands, DEMO_ITEM_ID)


@pytest.mark.slow
@only_s3
def test_unchanged_bands_are_not_uploaded_again(
    away: Desk, remote: tuple[ObjectPath, Gate], pc: PlanetaryComputer, tmp_path: Path
) -> None:
    made = pc_scene(60, tmp_path)
    pc.publish(made.item, made.files)
    from lc_assets.operations.runs import register
    from lc_assets.sentinel2.item.scene import parse_scene
    from lc_assets.sentinel2.search.catalog import StacCatalogClient
    from lc_assets.sentinel2.search.registry import RegisteredItems

    scene = parse_scene(made.item)
    RegisteredItems(away.store, StacCatalogClient(away.settings.stac_url)).register(scene)
    register(away.instance, [scene.id])
    first = away.run(scene.id)
    assert first.error is None
    before = products_of(away, scene.id)
    remote[1].clear()
    assert away.run(scene.id).error is None
    assert products_of(away, scene.id) == before
    put = [path for method, path, *_ in remote[1].requests if method == "PUT" and "/raw_bands/" in path]
    assert put and not [path for path in put if path.endswith(".tif")]


@pytest.mark.slow
def test_an_outage_is_not_reported_as_missing_bands(
    away: Desk, remote: tuple[ObjectPath, Gate], demo_item: Path
) -> None:
    from lc_assets.sentinel2.bands.raw_bands import RawBands

    folder = with_raw_bands(away, demo_item)
    remote[1].refuse("GET", 403)
    with pytest.raises(StoreError, match="cannot be read"):
        RawBands.open(folder.raw_bands, DEMO_ITEM_ID)
    with pytest.raises(StoreError, match="not in the store"):
        RawBands.open(remote[0] / "nothing", DEMO_ITEM_ID) if remote[1].refuse() is None else None


@pytest.mark.slow
@only_s3
def test_the_command_line_takes_a_url_as_the_store(
    remote: tuple[ObjectPath, Gate], shell: Shell, demo_item: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "lc_assets.cli.main", "classify", str(demo_item), "--store", str(remote[0])]
    environment = shell.child_environment()
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_SECONDS)
    assert done.returncode == 0, done.stderr
    assert f"{remote[0]}/scenes/{DEMO_ITEM_ID}/{DEMO_ITEM_ID}_classified.tif" in done.stdout
    assert (remote[0] / "scenes" / DEMO_ITEM_ID / "catalog.json").exists()
    for wrong in (
        "ftp://somewhere/else",
        "s3://",
        "s3://user:pw@bucket/x",
        "az://container/a/../b",
        "s3:/b/x",
        "s3://A b/x",
    ):
        refused = shell("classify", demo_item, "--store", wrong, code=1)
        assert refused.stderr.startswith("error: ") and "->" in refused.stderr and "pw" not in refused.stderr


@only_s3
@pytest.mark.slow
def test_agreement_with_a_reference_is_written_to_the_object_store(
    away: Desk, classified_demo: tuple[Desk, RunResult]
) -> None:
    here, _ = classified_demo
    for folder in ("items", f"scenes/{DEMO_ITEM_ID}"):
        for path in (here.store.root / folder).iterdir():
            if path.is_file():
                (away.store.root / folder / path.name).write_bytes(path.read_bytes())
    away.instance.add_dynamic_partitions("scenes", [DEMO_ITEM_ID])
    outcome, _ = agreed(away, references=["truth"])
    assert outcome.error is None, outcome.error
    found = list_files(agreement_folder(away.folder(DEMO_ITEM_ID), "truth"))
    assert set(found) == {"agreement.json", "confusion.png", "disagreement.png", "disagreement.tif", "sample.csv"}
    document = read_document(away.folder(DEMO_ITEM_ID), "truth")
    assert document["full_count"]["overall"] * 100 == pytest.approx(
        outcome.metadata["reference_agreement"]["truth_agreement_percent"], abs=0.006
    )
