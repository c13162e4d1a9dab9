"""Small scenes as folders of local files, for a cluster to classify."""

from __future__ import annotations

import json
import tempfile
from copy import deepcopy
from pathlib import Path

from loopback.scenes import SHAPE, PcScene, pc_scene, template_item


def write_scenes(folder: Path, numbers: range, *, shape: tuple[int, int] = SHAPE) -> dict[str, Path]:
    """Write items and bands; id -> the item's file, a reference for `lc-assets`. `shape` in px at 10 m, multiples of 6,
    the same for all scenes of one process."""
    return dict(_write(pc_scene(number, folder, shape=shape), folder) for number in numbers)


def write_twins(folder: Path, count: int, *, shape: tuple[int, int] = SHAPE) -> dict[str, Path]:
    """As `write_scenes`, but all are of one tile and have the pixels of the first: one map is right for all."""
    first = pc_scene(0, folder, shape=shape)
    items = dict([_write(first, folder)])
    template = template_item()
    with tempfile.TemporaryDirectory() as elsewhere:
        for number in range(1, count):
            # Eight tiles lie side by side; then the first comes again, five days later.
            scene = pc_scene(8 * number, Path(elsewhere), template, shape=(60, 60))
            same = {key: first.item[key] for key in ("geometry", "bbox")}
            for name, asset in scene.item["assets"].items():
                asset.update({key: value for key, value in first.item["assets"][name].items() if key != "href"})
            items |= [_write(PcScene({**scene.item, **same}, first.files), folder)]
    return items


def _write(scene: PcScene, folder: Path) -> tuple[str, Path]:
    item = deepcopy(scene.item)
    for name in scene.item["assets"]:
        if name in scene.files:
            item["assets"][name]["href"] = str(scene.files[name])
        else:
            del item["assets"][name]
    path = folder / scene.id / "item.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(item))
    return scene.id, path
