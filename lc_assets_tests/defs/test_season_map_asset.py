"""The asset `season_map`: what it writes and reports, and when it is stale."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import rasterio
import shapely
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.keys import CLASS_RASTER, SEASON_MAP
from lc_assets.operations.records import newest_data_versions
from lc_assets.operations.season_maps import fused_map
from lc_assets.operations.status import SceneStatus
from lc_assets.raster.inline_svg import MAX_MARKDOWN
from lc_assets.raster.polygons import Polygons
from lc_assets_tests.conftest import Desk, OnDisk
from lc_assets_tests.defs.season_maps import BOX, Mapped, Ticker
from lc_assets_tests.rig.command import Shell

DAYS = ("20240501", "20240521")


def looks(desk: Desk, name: str) -> StaleStatus:
    """What the UI says of a season map."""
    graph = build_definitions(desk.settings).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(desk.instance, graph, LoadingContextForTest(desk.instance))
    return resolver.get_status(SEASON_MAP, name)


def test_the_ui_makes_the_same_bytes_as_the_command_and_says_what_it_made(shell: Shell, on_disk: OnDisk) -> None:
    with on_disk(shell.home) as instance:
        mapped = Mapped(Desk(Settings(store=shell.store), instance))
        items = [mapped.classify(day, version=f"v{day}") for day in DAYS]
        output = shell("map", "--bbox", BOX, "--name", "corner", "--polygons").output
        assert "2 scenes of 2 dates" in output
        folder = mapped.desk.store.map("corner").folder
        timed = (".json", ".gpkg", ".html")  # these hold the time at which they were made
        made = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix not in timed}
        assert len(made) > 8
        again = mapped.fuse("corner")
        assert again.error is None and not again.warnings
        assert made == {name: (folder / name).read_bytes() for name in made}
        assert mapped.scenes(again) == {item: f"v{day}" for item, day in zip(items, DAYS, strict=True)}
        # Both were runs of the asset, with one data version, for the pixels are the same.
        wanted = dg.AssetRecordsFilter(SEASON_MAP, asset_partitions=["corner"])
        records = instance.fetch_materializations(wanted, limit=9).records
        assert len(records) == 2
        assert len({record.asset_materialization.tags["dagster/data_version"] for record in records}) == 1
        told = again.metadata["season_map"]
        assert len(told) <= 12
        for key in ("map", "legend"):
            assert told[key].startswith("![") and len(told[key]) <= MAX_MARKDOWN
        rows = [row.data for row in told["classes"].records]
        assert sum(row["percent"] for row in rows) == pytest.approx(100, abs=0.1)
        assert f"{max(row['hectares'] for row in rows):.1f} ha" in output
        checks = instance.all_logs(again.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = {entry.dagster_event.asset_check_evaluation_data.check_name for entry in checks}
        assert found == {"cog_valid", "stac_valid"}
    # The same map by its name, and what status says.
    assert "2 scenes of 2 dates" in shell("map", "--name", "corner").output
    assert "done      season map corner" in shell("status").output
    # Without its folder it is missing, unless the store does not know it at all: then it may be another store.
    shutil.rmtree(shell.store / "maps" / "corner")
    assert "missing   season map corner" in shell("status").output
    (shell.store / "areas" / "corner.json").unlink()
    assert "done      season map corner" in shell("status").output


def test_a_map_of_a_scene_that_was_made_again_is_stale(classified: Desk) -> None:
    desk, mapped = classified, Mapped(classified)
    with rasterio.open(str(desk.folder(DEMO_ITEM_ID).classified)) as dataset:
        area = Polygons(("demo",), np.array([shapely.box(*dataset.bounds)]), "EPSG:32632")
    mapped.plan("demo", area)
    assert mapped.fuse("demo").error is None
    fused = fused_map(desk.instance, "demo")
    assert fused and fused.scenes == newest_data_versions(desk.instance, CLASS_RASTER, [DEMO_ITEM_ID])
    assert mapped.status("demo").status == SceneStatus.DONE
    assert desk.materialize("class_raster", mask_dilation=0).success
    assert mapped.status("demo").status == SceneStatus.STALE
    assert mapped.status("demo").reasons == [f"{DEMO_ITEM_ID} was made again since"]


@pytest.mark.slow
def test_only_the_map_of_that_scene_is_stale_in_the_ui_until_it_is_fused_again(
    on_disk: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_disk(tmp_path / "home") as instance:
        mapped = Mapped(Desk(Settings(store=tmp_path / "store", watch=tmp_path / "none"), instance))
        for day, name in zip(DAYS, ("a", "b"), strict=True):
            mapped.plan(name, scenes=(mapped.classify(day),))
            assert mapped.fuse(name).error is None
        sensor = Ticker(mapped, monkeypatch)

        def statuses() -> list[tuple[SceneStatus, StaleStatus]]:
            return [(mapped.status(name).status, looks(mapped.desk, name)) for name in ("a", "b")]

        fresh, stale = (SceneStatus.DONE, StaleStatus.FRESH), (SceneStatus.STALE, StaleStatus.STALE)
        assert sensor.tick() == ([], "2 maps without a new scene")
        assert statuses() == [fresh, fresh]
        mapped.classify(DAYS[0], version="2")
        assert sensor.tick()[0] == []
        assert statuses() == [stale, fresh]
        assert sensor.tick(next_day=True)[0] == ["a"]
        assert statuses() == [fresh, fresh]
        for version, expected in (("3", stale), ("2", fresh)):  # its scene is made again, and then as it was
            mapped.classify(DAYS[0], version=version)
            assert sensor.tick()[0] == []
            assert statuses() == [expected, fresh]


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "cannot be read"), ("[]", "cannot be read"), ('{"area": 1}', "no field scenes"), (None, "is registered")],
)
def test_a_map_without_a_sound_registration_is_one_line(desk: Desk, content: str | None, told: str) -> None:
    mapped = Mapped(desk)
    mapped.classify("20240501")
    mapped.plan("corner")
    path = desk.store.registered_map("corner")
    path.unlink() if content is None else path.write_text(content)
    error = mapped.fuse("corner").error
    assert error and error.startswith("season map corner: ") and told in error and "lc-assets map" in error
    assert not (Path(str(desk.store.root)) / "maps").exists()
    assert mapped.status("corner").status == SceneStatus.FAILED
