"""Measure `lc-assets classify` from the shell: one scene or several, and the stages of which their time consists."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.watch import Usage, run

HOME, STORE = "home", "store"
LC_ASSETS = [sys.executable, "-m", "lc_assets.cli.main"]


def classify(folder: Path, items: Sequence[Path], *options: str, **environment: str) -> Usage:
    """Classify scenes with one command, into an empty store.

    Args:
        folder: folder for the store and the instance; it is emptied first.
        items: paths of the items.
        options: further options of the command.
        environment: variables of the command.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ours = {"DAGSTER_HOME": str(folder / HOME), "LC_ASSETS_STORE": str(folder / STORE), **environment}
    return run([*LC_ASSETS, "classify", *map(str, items), *options], folder, **ours)[0]


def recorded(folder: Path) -> dict[str, Any]:
    """Return what Dagster has recorded of the newest run of `classify`.

    Returns:
        `assets`: asset -> seconds; `stages`: stage of class_raster -> seconds, added up over its threads; `precision`.
    """
    import dagster as dg

    from lc_assets.operations.keys import SCENE_ASSETS

    with dg.DagsterInstance.from_config(str(folder / HOME)) as instance:
        newest = {key.to_user_string(): instance.get_latest_materialization_event(key) for key in SCENE_ASSETS}
    metadata: dict[str, Any] = {
        name: entry.asset_materialization.metadata
        for name, entry in newest.items()
        if entry and entry.asset_materialization
    }
    of_map = metadata["class_raster"]
    return {
        "assets": {name: float(values["seconds"].value) for name, values in metadata.items()},
        "stages": {row.data["stage"]: row.data["seconds"] for row in of_map["stages"].value.records},
        "precision": str(of_map["precision"].value),
    }


def copies_of(item: Path, count: int, folder: Path, host: str = "") -> list[Path]:
    """Write items with ids of their own and the files of one scene; return their paths.

    Args:
        item: path of the scene's item.
        count: number of items.
        folder: folder for the items.
        host: host that serves the files; empty takes them from the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        document = json.loads(item.read_text(encoding="utf-8"))
        document["id"] = f"{document['id']}_{number:02}"
        for asset in document["assets"].values():
            name = Path(asset["href"]).name
            asset["href"] = f"https://{host}/{name}" if host else str(item.parent / name)
        paths.append(folder / f"{document['id']}.json")
        paths[-1].write_text(json.dumps(document), encoding="utf-8")
    return paths
