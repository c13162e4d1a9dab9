"""remove takes a scene away whole, never one that is in use, and what was interrupted can be repeated."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from click.testing import Result
from filelock import FileLock

from lc_assets.cli import backfill, options
from lc_assets.cli.session import Session
from lc_assets.cli.view import update_gallery
from lc_assets.defs.sensors import _never_run
from lc_assets.demo.scene import DEMO_ITEM_ID as DEMO
from lc_assets.operations import map_removal, removal
from lc_assets.operations.keys import CLASSIFY, FUSE, SCENES, SEASON_MAPS
from lc_assets.operations.status import NEEDS_RUN, SceneStatus
from lc_assets.products.collection import update
from lc_assets.products.pages import locator_map
from lc_assets.raster.polygons import Polygons
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.store.layout import ALL_SCENES
from lc_assets.store.paths import remove_tree
from lc_assets_tests.conftest import Desk
from lc_assets_tests.defs.season_maps import Mapped
from lc_assets_tests.operations.pruned_stores import contents, queue, stands
from lc_assets_tests.products.pages.gallery_scenes import box, laid
from lc_assets_tests.rig.command import invoke
from lc_assets_tests.rig.marks import further

Remove = Callable[..., Result]


@pytest.fixture
def remove(classified: Desk, monkeypatch: pytest.MonkeyPatch) -> Remove:
    """`lc-assets remove` on the store and the instance of `classified`."""
    monkeypatch.setattr(options, "open_session", lambda store: Session(classified.settings))
    monkeypatch.setattr(Session, "open_instance", lambda session: nullcontext(classified.instance))
    # All land of the world is read as a stream, for a second.
    monkeypatch.setattr(locator_map, "_land", lambda rows, columns: np.zeros((len(rows), len(columns)), bool))

    def run(*arguments: object, code: int = 0) -> Result:
        return invoke("remove", *arguments, code=code)

    return run


def mentions(root: Path, item: str) -> list[str]:
    """Files of a store that name a scene, by their own name or in their content."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return [str(path) for path in files if item in str(path) or item.encode() in path.read_bytes()]


def test_a_removed_scene_leaves_nothing_and_the_others_stay(classified: Desk, remove: Remove) -> None:
    root = Path(classified.settings.store)
    other = laid(classified.folder(DEMO), root, "33UUB", date(2024, 6, 23), box(12, 51, 13, 52))
    document = root / "scenes" / other / f"{other}_classified.json"
    document.write_text(document.read_text().replace(DEMO, other))  # the copy names the demo
    update.update(classified.store, lambda positions: update.Changes(None))
    (root / ALL_SCENES).write_bytes(b"of before")
    update_gallery(classified.store)
    stay = contents(root / "scenes" / other)
    assert {Path(path).name for path in mentions(root, DEMO)} >= {"items.parquet", "catalog.json", ALL_SCENES}
    said = remove("32ULC", "2024-06-21", "--yes").output
    assert f"removed: {DEMO}" in said
    assert mentions(root, DEMO) == []
    assert contents(root / "scenes" / other) == stay
    assert {Path(path).name for path in mentions(root, other)} >= {"items.parquet", "catalog.json", ALL_SCENES}
    assert json.loads((root / "collection" / "collection.json").read_text())["lc:items"] == 1
    assert classified.instance.get_dynamic_partitions(SCENES) == []
    remove(other, "--yes")  # the last one: no collection without items, no page without scenes
    assert mentions(root, other) == []
    assert not (root / "collection" / "collection.json").exists() and not (root / ALL_SCENES).exists()


def test_a_removed_scene_is_only_taken_again_by_name(classified: Desk, remove: Remove) -> None:
    remove(DEMO, "--yes")
    assert stands(classified) == SceneStatus.REMOVED not in NEEDS_RUN
    assert _never_run(classified.instance, [DEMO], set()) == []  # the sensor
    classified.instance.add_dynamic_partitions(SCENES, [DEMO])  # as by a command that names it
    assert stands(classified) == SceneStatus.MISSING


def test_a_scene_that_never_ran_is_not_taken_again_by_the_sensor(classified: Desk, remove: Remove) -> None:
    item = DEMO.replace("32ULC", "32ULD")
    classified.store.registered(item).write_text("{}")
    classified.instance.add_dynamic_partitions(SCENES, [item])
    assert f"{item}: 1 file, 0.0 kB; its partition\n" in remove("32ULD", "--yes").output
    assert _never_run(classified.instance, [item], set()) == []
    assert stands(classified, item) == SceneStatus.REMOVED
    assert stands(classified) == SceneStatus.DONE


def test_a_partition_whose_files_were_removed_by_hand_is_removed(classified: Desk, remove: Remove) -> None:
    remove_tree(classified.folder(DEMO).folder)
    classified.store.registered(DEMO).unlink()
    assert f"{DEMO}: 0 files" in remove(DEMO, "--yes").output
    assert not classified.instance.has_dynamic_partition(SCENES, DEMO)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((DEMO, "--dry-run"), 0, "nothing has been removed (--dry-run)"),
        ((DEMO,), 1, "nothing has been removed -> answer y, or give --yes"),  # there is no input
        ((DEMO, "99XXX", "--yes"), 1, "is '99XXX' -> see what is there"),
        (("../..", "--yes"), 1, "is '../..' -> see what is there"),
        ((DEMO, "--yes", "--dry-run"), 2, "not both"),
        ((), 2, "name a scene, or a season map (--map)"),
    ],
)
def test_without_a_clear_yes_nothing_is_removed(
    classified: Desk, remove: Remove, arguments: tuple[str, ...], code: int, told: str
) -> None:
    before = contents(classified.store.root)
    assert told in remove(*arguments, code=code).output
    assert contents(classified.store.root) == before
    assert stands(classified) == SceneStatus.DONE


def test_what_it_says_first_is_what_it_removes(classified: Desk, remove: Remove) -> None:
    before = contents(classified.store.root)
    first = remove(DEMO, "--dry-run").output.splitlines()[0]
    remove(DEMO, "--yes")
    lost = before.keys() - contents(classified.store.root).keys()
    size = sum(before[path] for path in lost)
    assert first == f"{DEMO}: {len(lost)} files, {size / 1e3:.1f} kB; its partition; the records of 1 run" or (
        first == f"{DEMO}: {len(lost)} files, {size / 1e6:.1f} MB; its partition; the records of 1 run"
    )


@pytest.fixture(params=["run", "fetch", "write"])
def used(request: pytest.FixtureRequest, classified: Desk) -> Iterator[str]:
    """A scene that is in use; what the message says of it."""
    folder = classified.folder(DEMO)
    if request.param == "run":
        queue(classified)
        yield "a run of it is queued or under way"
    elif request.param == "fetch":
        with FileLock(folder.incoming.with_name(f"{folder.incoming.name}.lock")):
            yield "a process is fetching it"
    else:
        stage = folder.folder.with_name(f".{DEMO}.{socket.gethostname()}-{os.getpid()}-0123abcd.part")
        Path(str(stage)).mkdir()
        yield "a process is writing its files"


def test_a_scene_in_use_is_left_alone(classified: Desk, remove: Remove, used: str) -> None:
    before = contents(classified.store.root)
    assert f"left alone: item {DEMO}: {used}" in remove(DEMO, "--yes", code=1).output
    assert contents(classified.store.root) == before
    assert classified.instance.get_dynamic_partitions(SCENES) == [DEMO]


def test_a_date_without_a_tile_is_refused(classified: Desk, remove: Remove) -> None:
    before = contents(Path(classified.settings.store))
    told = remove("32ULC", "2024-06-21", "2024-06-22", "--yes", code=1).output
    assert "2024-06-22 follows '32ULC 2024-06-21' without a tile -> write the tile before each date" in told
    assert contents(Path(classified.settings.store)) == before


@pytest.mark.parametrize("where", ["_remove_records", "_remove_files", "remove_tree", "drop_scenes"])
def test_an_interrupted_removal_is_completed_by_the_same_command(
    classified: Desk, remove: Remove, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    update.update(classified.store, lambda positions: update.Changes(None))

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        module = "lc_assets.products.collection.removal" if where == "drop_scenes" else removal.__name__
        patched.setattr(f"{module}.{where}", interrupted)
        assert "interrupted" in remove(DEMO, "--yes", code=130).output
    assert classified.instance.get_dynamic_partitions(SCENES) == []
    remove("32ULC", "--yes")
    assert mentions(Path(classified.settings.store), DEMO) == []
    assert stands(classified) == SceneStatus.REMOVED


def test_a_season_map_of_a_removed_scene_is_stale(classified: Desk, remove: Remove) -> None:
    mapped = Mapped(classified)
    with rasterio.open(str(classified.folder(DEMO).classified)) as dataset:
        area = Polygons(("demo",), np.array([shapely.box(*dataset.bounds)]), "EPSG:32632")
    mapped.plan("demo", area)
    assert mapped.fuse("demo").error is None
    assert "season map demo was made of it, and will be stale" in remove(DEMO, "--yes").output
    found = mapped.status("demo")
    assert (found.status, found.reasons) == (SceneStatus.STALE, [f"{DEMO} was removed since"])


@pytest.fixture
def mapped(classified: Desk) -> Mapped:
    """A season map `whole` of the scene, to which the store's catalog has a link."""
    found = Mapped(classified)
    with rasterio.open(str(classified.folder(DEMO).classified)) as dataset:
        found.plan("whole", Polygons(("whole",), np.array([shapely.box(*dataset.bounds)]), "EPSG:32632"))
    assert found.fuse("whole").error is None
    update.update(classified.store, lambda positions: update.Changes(None))
    return found


@pytest.mark.parametrize("interrupted_in", ["remove_tree", *further(None, "delete_run", "forget_map")])
def test_a_season_map_is_removed_whole_and_its_scenes_stay(
    mapped: Mapped, remove: Remove, monkeypatch: pytest.MonkeyPatch, interrupted_in: str | None
) -> None:
    desk, root = mapped.desk, Path(mapped.desk.settings.store)
    scene = contents(root / "scenes" / DEMO)
    assert "maps/whole/" in (root / "catalog.json").read_text()
    assert "nothing has been removed" in remove("--map", "whole", "--dry-run").output
    assert mapped.status("whole").status is SceneStatus.DONE

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    if interrupted_in:
        with monkeypatch.context() as patched:
            patched.setattr(map_removal, interrupted_in, interrupted)
            assert "interrupted" in remove("--map", "whole", "--yes", code=130).output
    assert "removed: season map whole" in remove("--map", "whole", "--yes").output
    assert [path for path in root.rglob("*whole*") if path.suffix != ".lock"] == []
    assert "whole" not in (root / "catalog.json").read_text()
    assert desk.instance.get_dynamic_partitions(SEASON_MAPS) == []
    assert [run.job_name for run in desk.instance.get_runs()] == [CLASSIFY]
    assert contents(root / "scenes" / DEMO) == scene
    assert stands(desk) is SceneStatus.DONE
    assert "no season map in" in remove("--map", "whole", "--yes", code=1).output


def test_scenes_and_season_maps_are_never_taken_for_each_other(mapped: Mapped, remove: Remove) -> None:
    root = Path(mapped.desk.settings.store)
    (root / "areas" / "whole.json").rename(root / "areas" / "32ULC.json")  # now also words for the scene
    (root / "maps" / "32ULC").mkdir()
    for _ in range(2):
        remove("--map", "32ULC", "--yes", code=None)
    assert stands(mapped.desk) is SceneStatus.DONE
    assert "whole is a season map -> give --map whole" in remove("whole", "--yes", code=1).output
    assert "no season map in" in remove("--map", "whoel", code=1).output
    assert "did you mean whole?" in remove("--map", "whoel", code=1).output
    assert remove(code=2)
    remove("nowhere", "--map", "whole", "--yes", code=1)  # a name that fits nothing stops all
    assert mapped.desk.store.map("whole").catalog.exists()


def test_a_season_map_that_a_run_makes_or_the_sensor_would_make_again_is_left_alone(
    mapped: Mapped, remove: Remove, tmp_path: Path
) -> None:
    root, watch = Path(mapped.desk.settings.store), tmp_path / "watch.yaml"
    mapped.desk.settings = dataclasses.replace(mapped.desk.settings, watch=watch)
    watch.write_text("tiles: [32ULC]\nmap: whole\n")
    assert f"is that of {watch}" in remove("--map", "whole", "--yes", code=1).output
    watch.unlink()
    before = contents(root)
    queue(mapped.desk, "whole", FUSE)
    assert "left alone: season map whole: a run of it is queued" in remove("--map", "whole", "--yes", code=1).output
    assert contents(root) == before


@pytest.mark.parametrize("kind", ["link", *further("file", "registration is a folder")])
def test_whatever_is_in_the_place_of_a_season_map_is_removed_and_nothing_else(
    mapped: Mapped, remove: Remove, tmp_path: Path, kind: str
) -> None:
    root = Path(mapped.desk.settings.store)
    folder, registered = root / "maps" / "whole", root / "areas" / "whole.json"
    elsewhere = folder.rename(tmp_path / "elsewhere")
    before = contents(elsewhere)
    if kind == "link":
        folder.symlink_to(elsewhere)
    elif kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        registered.unlink()
        (registered / "within").mkdir(parents=True)
    said = remove("--map", "whole", "--yes").output
    assert (f"only the link {folder} is removed" in said) == (kind == "link")
    assert contents(elsewhere) == before
    assert not folder.exists() and not registered.exists()


def test_of_a_scene_folder_that_is_a_link_only_the_link_is_removed(
    classified: Desk, remove: Remove, tmp_path: Path
) -> None:
    folder = Path(str(classified.folder(DEMO).folder))
    elsewhere = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(elsewhere)
    before = contents(elsewhere)
    said = remove(DEMO, "--yes").output
    assert f"{DEMO}: 1 file" in said and f"only the link {folder} is removed: the files in {elsewhere} stay" in said
    assert contents(elsewhere) == before and not folder.is_symlink()


def test_a_backfill_of_a_search_leaves_a_removed_scene_out_and_one_of_names_takes_it(
    classified: Desk,
    remove: Remove,
    demo_item: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    remove(DEMO, "--yes")
    session = Session(classified.settings)
    monkeypatch.setattr(session, "open_instance", lambda: nullcontext(classified.instance))
    scenes = [parse_scene(read_document(demo_item), base=demo_item)]
    for named, told in ((False, "nothing to run"), (True, "1 scene to run: 1 removed")):
        backfill.backfill_scenes(session, scenes, {}, named=named, everything=True, dry_run=False)
        assert told in capsys.readouterr().out
        assert classified.instance.get_dynamic_partitions(SCENES) == [DEMO] * named
