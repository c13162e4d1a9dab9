"""A cluster with scenes to classify, levers to hold and break it, and a close look at what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import rasterio

from lc_assets.cluster.tasks import WORKER_TAG
from lc_assets.operations.keys import ASSET_NAMES
from loopback.cluster.process import Process
from loopback.cluster.service import Cluster, until

HELD = "lc_assets_tests.rig.cluster.held"
"""The code location with levers."""
STARTED, STARTING = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


class Field:
    """A cluster, its scenes, and the levers."""

    def __init__(self, cluster: Cluster, items: dict[str, Path], instance: dg.DagsterInstance, faultless: Path) -> None:
        self.cluster, self.instance, self._faultless = cluster, instance, faultless
        self._unused = list(items)
        self._held = Path(cluster.environment["LC_ASSETS_HOLD"])

    def scene(self) -> str:
        return self._unused.pop()

    def hold(self, asset: str) -> None:
        (self._held / asset).touch()

    def let_go(self) -> None:
        for asset in ASSET_NAMES:
            (self._held / asset).unlink(missing_ok=True)

    def until_held(self, asset: str, *items: str) -> None:
        marks = [self._held / f"{asset}-{item}" for item in items]
        until(lambda: all(mark.exists() for mark in marks), f"a run waits in {asset}", self.programs)
        for mark in marks:
            mark.unlink()  # a killed one cannot

    @property
    def programs(self) -> list[Process]:
        return [self.cluster.daemon, *self.cluster.workers]

    def runs(self, item: str) -> list[dg.DagsterRun]:
        """All runs of a scene, the first one first."""
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": item}), ascending=True))

    def statuses(self, item: str) -> list[dg.DagsterRunStatus]:
        return [run.status for run in self.runs(item)]

    def worker_of(self, item: str) -> Process:
        name = self.runs(item)[-1].tags[WORKER_TAG].split("@")[0]
        return next(worker for worker in self.cluster.workers if worker.name == name)

    def until_done(self, *items: str) -> None:
        """Until the last run of each scene has succeeded, and nothing else is under way; then look closely."""

        def done() -> bool:
            return all(self.statuses(item)[-1:] == [SUCCESS] for item in items)

        try:
            until(done, "all scenes are done", self.programs)
        except AssertionError as error:
            told = {item: [(run.status.value, self.events(run)[-6:]) for run in self.runs(item)] for item in items}
            raise AssertionError(f"{error}\n{json.dumps(told, indent=1)}") from None
        for item in items:
            self.check(item)

    def events(self, run: dg.DagsterRun) -> list[str]:
        return [entry.user_message or entry.message for entry in self.instance.all_logs(run.run_id)]

    def check(self, item: str) -> None:
        """Made once, whole and right: the same map as of a run without a fault, and nothing left beside it."""
        made = {name: self.materialised(name, item) for name in ASSET_NAMES}
        assert made == dict.fromkeys(ASSET_NAMES, 1)
        assert self.statuses(item).count(SUCCESS) == 1
        self.check_files(item)

    def check_files(self, item: str) -> None:
        folder = Path(self.cluster.store) / "scenes" / item
        rubbish = [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]
        assert rubbish == []
        products = ("{}_classified", "{}_confidence", "{}_probabilities", "overview_{}_classified")
        for raster in (f"{product.format(item)}.tif" for product in products):
            right = self._faultless / raster.replace(item, self._faultless.name)
            assert np.array_equal(_pixels(folder / raster), _pixels(right))
        assert json.loads((folder / f"{item}_classified.json").read_text())["id"].startswith(item)

    def materialised(self, name: str, item: str) -> int:
        records = dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[item])
        return len(self.instance.fetch_materializations(records, limit=10).records)


def _pixels(raster: Path) -> Any:
    with rasterio.open(raster) as dataset:
        return dataset.read()
