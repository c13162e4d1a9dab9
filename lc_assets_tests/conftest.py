"""Fixtures for all tests: small synthetic scenes, real scenes if ../shared exists, stores and Dagster instances."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import numpy as np
import pytest
import rasterio

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID, write_demo_scene
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.mlm import contract_to_item
from lc_assets.operations.runs import RunResult, register, run_scene
from lc_assets.sentinel2.band_table import BANDS
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.store.layout import SceneLayout, Store
from lc_assets_tests.rig.command import NOBODY, QUICK, Shell

pytest_plugins = ["pytester"]
pytest_plugins += [f"lc_assets_tests.rig.{name}" for name in ("hygiene", "once", "suite", "fixtures", "browser")]


def pytest_configure() -> None:
    """Remove the settings of the caller's environment, so that tests use the defaults."""
    for name in [name for name in os.environ if name.startswith("LC_ASSETS_") or name == "DAGSTER_HOME"]:
        if name != "LC_ASSETS_SCREENSHOTS":
            os.environ.pop(name)
    os.environ.setdefault("KERAS_BACKEND", "openvino")


SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder for all processes of the suite, in place of the user's."""
    folder = tmp_path_factory.getbasetemp()
    os.environ["LC_ASSETS_CACHE"] = str((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "cache")
    yield
    del os.environ["LC_ASSETS_CACHE"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data. Without it, tests that need it are skipped."""
    if not SHARED.exists():
        pytest.skip("needs ../shared/data, which is not part of the project")
    return SHARED


@pytest.fixture(scope="session")
def demo_item(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the item of a small demo scene: 246 x 258 px with a cloud, a corner without data, SCL and truth."""
    return write_demo_scene(tmp_path_factory.mktemp("demo"), shape=(246, 258), seed=3)


@pytest.fixture(scope="session")
def real_item(shared: Path) -> Path:
    """Path of the item of the real scene, 600 x 600 px."""
    return next(shared.glob("scenes/S2*/*.json"))


_SILENT = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass
class Desk:
    """A store, a Dagster instance, and methods to run scenes with them."""

    settings: Settings
    instance: dg.DagsterInstance

    @property
    def store(self) -> Store:
        return Store.at(self.settings.store)

    def folder(self, item: str) -> SceneLayout:
        return self.store.scene(item)

    def add(self, item: Path) -> Scene:
        """Register an item's JSON and its partition."""
        scene = parse_scene(read_document(item), base=item)
        RegisteredItems(self.store, StacCatalogClient(self.settings.stac_url)).register(scene)
        register(self.instance, [scene.id])
        return scene

    def run(self, item: str, **config: Any) -> RunResult:
        """Materialise the six assets of a registered item. Keywords are the config of class_raster."""
        ops = {"class_raster": {"config": config}} if config else {}
        return run_scene(build_definitions(self.settings), self.instance, item, ops)

    def materialize(self, *assets: str, item: str = DEMO_ITEM_ID, **config: Any) -> dg.ExecuteInProcessResult:
        """Materialise only some assets of a registered item. A failure is in the result.

        Keywords configure class_raster where it is among the assets, otherwise the first asset.
        """
        definitions = build_definitions(self.settings)
        configured = "class_raster" if "class_raster" in assets else assets[0]
        return dg.materialize(
            definitions.assets,  # type: ignore[arg-type]
            selection=list(assets),
            resources=definitions.resources,
            instance=self.instance,
            partition_key=item,
            run_config={"ops": {configured: {"config": config}} if config else {}, "loggers": _SILENT},
            raise_on_error=False,
        )

    def classify(self, item: Path, **config: Any) -> SceneLayout:
        """Register an item and materialise its six assets. The run must succeed."""
        scene = self.add(item)
        outcome = self.run(scene.id, **config)
        assert outcome.error is None, outcome.error
        return self.folder(scene.id)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An empty store and an ephemeral instance, without a STAC API."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(Settings(store=tmp_path / "store", stac_url=NOBODY, retry_policy=QUICK), instance)


@pytest.fixture(scope="session")
def classified_demo(tmp_path_factory: pytest.TempPathFactory, demo_item: Path) -> Iterator[tuple[Desk, RunResult]]:
    """The small demo scene, classified once for all tests that do not change it."""
    settings = Settings(store=tmp_path_factory.mktemp("session") / "store", stac_url=NOBODY, retry_policy=QUICK)
    # Without `with`, which would make this one Dagster's current instance for the whole session.
    instance = dg.DagsterInstance.ephemeral()
    desk = Desk(settings, instance)
    desk.add(demo_item)
    outcome = desk.run(DEMO_ITEM_ID)
    assert outcome.error is None, outcome.error
    yield desk, outcome
    instance.dispose()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Dagster's empty SQLite databases. A copy takes a tenth of the time of their creation."""
    folder = tmp_path_factory.mktemp("databases")
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        instance.get_runs_count()
        instance.all_instigator_state()
    return folder


OnDisk = Callable[[Path], dg.DagsterInstance]


@pytest.fixture
def on_disk(databases: Path) -> OnDisk:
    """A function that returns an instance with its databases in a folder. Use the instance with `with`."""

    def make(folder: Path) -> dg.DagsterInstance:
        shutil.copytree(databases, folder, dirs_exist_ok=True)
        return dg.DagsterInstance.local_temp(str(folder))

    return make


@pytest.fixture
def shell(tmp_path: Path, databases: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """`lc-assets` in the test's own folder, without a STAC API and with short waits."""
    shutil.copytree(databases, tmp_path / "home")
    monkeypatch.setattr("lc_assets.core.settings.RetryPolicy", partial(RetryPolicy, backoff=QUICK.backoff))
    return Shell(tmp_path)


@pytest.fixture
def classified(classified_demo: tuple[Desk, RunResult], tmp_path: Path) -> Iterator[Desk]:
    """A copy of `classified_demo` (files and records), for tests that change it."""
    source, _ = classified_demo
    shutil.copytree(source.settings.store, tmp_path / "store")  # type: ignore[arg-type]
    with dg.DagsterInstance.ephemeral() as instance:
        copy_records(source.instance, instance)
        yield Desk(replace(source.settings, store=tmp_path / "store"), instance)


def copy_records(source: dg.DagsterInstance, target: dg.DagsterInstance) -> None:
    """Copy the databases of an ephemeral instance as they are: Dagster compares the ids of records."""
    for storage in ("run_storage", "event_log_storage"):
        databases = [getattr(one, storage)._held_conn.connection.dbapi_connection for one in (source, target)]
        databases[0].backup(databases[1])


def copy_scene(item: Path, folder: Path, **properties: Any) -> Path:
    """Copy a scene's folder, change properties of its item, and return the path of the item in the copy."""
    target = folder / item.parent.name
    shutil.copytree(item.parent, target, copy_function=shutil.copyfile)
    path = target / item.name
    if properties:
        edit_item(path, lambda document: document["properties"].update(properties))
    return path


def edit_item(path: Path, change: Any) -> None:
    """Change an item's JSON in place."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def edit_bands(item: Path, change: Any, names: tuple[str, ...] = tuple(b.name for b in BANDS)) -> None:
    """Rewrite band files: `change(name, dn, profile)` returns new pixels and may change the profile."""
    for name in names:
        path = item.parent / f"{name}.tif"
        with rasterio.open(path) as dataset:
            dn, profile = dataset.read(1), {**dataset.profile, "driver": "GTiff"}
        for key in ("blockxsize", "blockysize", "tiled"):
            profile.pop(key, None)
        new = change(name, dn, profile)
        profile.update(height=new.shape[0], width=new.shape[1])
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(new, 1)


def cropped(item: Path, folder: Path, rows: int, columns: int) -> Path:
    """Copy a scene with only its bottom-right rows x columns (multiples of 6), moved to the same corner."""
    path = copy_scene(item, folder)
    factors = {band.name: band.factor for band in BANDS}

    def cut(name: str, dn: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
        factor = factors.get(name, 2)
        return dn[-(rows // factor) :, -(columns // factor) :]

    present = [name for name in (*factors, "SCL") if (path.parent / f"{name}.tif").exists()]
    edit_bands(path, cut, tuple(present))
    return path


def read(path: Path) -> np.ndarray:
    """Return the first band of a raster."""
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def saved(network: Any) -> bytes:
    """Return the content of a network's `.keras` file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        network.save(path)
        return path.read_bytes()


@cache
def _untrained(bands: int, classes: int) -> bytes:
    """Return the file of a small network: the same one in each test, so that a process compiles it once."""
    import keras  # imported here, because it reads KERAS_BACKEND, which pytest_configure sets

    return saved(
        keras.Sequential(
            [
                keras.Input((64, 64, bands)),
                keras.layers.Conv2D(4, 3, 4, padding="same"),
                keras.layers.Flatten(),
                keras.layers.Dense(classes, activation="softmax"),
            ]
        )
    )


def own_model(
    folder: Path, bands: tuple[str, ...], classes: int, network: bytes | Any | None = None, **contract: object
) -> Path:
    """A user's own two files: a small untrained network, or the one that is given (its file or itself), and its MLM
    item."""
    folder.mkdir()
    if network is None:
        network = _untrained(len(bands), classes)
    (folder / "model.keras").write_bytes(network if isinstance(network, bytes) else saved(network))
    fields = {
        "name": "own",
        "version": "1",
        "bands": bands,
        "product_levels": ("L1C", "L2A"),
        "mean": (1000.0,) * len(bands),
        "std": (500.0,) * len(bands),
        "chip_size": 64,
        "resampling": "bilinear",
        "class_names": CLASS_NAMES,
        "sha256": hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest(),
    }
    item = contract_to_item(ModelContract(**{**fields, **contract}))  # type: ignore[arg-type]
    (folder / "model.json").write_text(json.dumps(item))
    return folder / "model.json"
