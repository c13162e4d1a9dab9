"""Evaluate a model's maps of real scenes: against references, against Dynamic World, and from date to date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lc_assets.core.errors import BadModel
from lc_assets.inference.engine import Engine
from lc_assets.inference.loading import open_model
from lc_assets.inference.stack_classes import classify_stack
from lc_assets.sentinel2.band_table import BAND_INDEX, TRUE_COLOUR
from lc_assets.training.evaluation.map_metrics import (
    JUDGED,
    MapMetrics,
    compare_groups,
    groups_of,
    season_agreement,
    water_kinds,
)
from lc_assets.training.evaluation.scenes import ReferenceScene, SceneFile, find_scenes, read_scene

PICTURES = 4
"""Largest number of scenes in the picture of the maps."""
TAUGHT_BY = "Dynamic World"
"""Reference model. A model whose training data has this name in a title has learnt from it."""
GROUPS_KIND, WATER_KIND = "groups", "kinds of water"
_LARGEST_SIDE = 512
"""Largest side of a scene in the picture, px."""


@dataclass(frozen=True)
class SceneMetrics:
    """The metrics of a map of one scene.

    Attributes:
        scene: name of the scene.
        level: L1C or L2A.
        note: the part of the scene that the model has learnt from, in words; empty if none.
        metrics: the comparison.
    """

    scene: str
    level: str
    note: str
    metrics: MapMetrics


@dataclass(frozen=True)
class WaterKinds:
    """Shares (0..1) of River and SeaLake in a map, over the pixels of one kind of water in the reference."""

    scene: str
    level: str
    kind: str
    pixels: int
    river: float
    sea_lake: float


@dataclass(frozen=True)
class Season:
    """Maps of several dates of one place.

    Attributes:
        place: name of the place.
        level: L1C or L2A.
        dates: number of dates.
        agreement: see `season_agreement`, 0..1; None without pixels.
        note: see `SceneMetrics`.
    """

    place: str
    level: str
    dates: int
    agreement: float | None
    note: str


@dataclass(frozen=True)
class MapPicture:
    """One scene in the picture of the maps.

    Attributes:
        title: name and level of the scene.
        layers: (3, rows, columns) DN of red, green and blue.
        classes: (rows, columns) class codes of the map.
        reference: (rows, columns) codes of the reference, or None.
        kind: what the reference is: `GROUPS_KIND`, `WATER_KIND`, `TAUGHT_BY`, or empty.
    """

    title: str
    layers: np.ndarray
    classes: np.ndarray
    reference: np.ndarray | None
    kind: str


@dataclass(frozen=True)
class MapEvaluation:
    """The metrics of a model's maps.

    Attributes:
        references: comparisons with independent references.
        agreements: comparisons with Dynamic World. They show agreement, not accuracy.
        kinds: classes of water pixels.
        seasons: agreement of maps of several dates.
        pictures: at most `PICTURES` scenes.
        taught: True if the model has learnt from Dynamic World.
    """

    references: tuple[SceneMetrics, ...]
    agreements: tuple[SceneMetrics, ...]
    kinds: tuple[WaterKinds, ...]
    seasons: tuple[Season, ...]
    pictures: tuple[MapPicture, ...]
    taught: bool


def evaluate_maps(model: Path, folder: Path) -> MapEvaluation:
    """Make maps of the scenes in a folder that fit the model's product levels, and compare them.

    Args:
        model: path of the model's MLM item.
        folder: see `lc_assets.training.evaluation.scenes`.

    Raises:
        BadModel: the model cannot be loaded, or no scene has its product levels.
        LandCoverError: a scene or a reference cannot be read.
    """
    found = find_scenes(folder)
    engine = open_model(model, "float32")
    contract = engine.contract
    files = [file for file in found if file.level in contract.product_levels]
    if not files:
        raise BadModel(
            f"{folder} has no scene of {' or '.join(contract.product_levels)}",
            asset=f"model {contract.name}",
            remedy="use a folder with scenes of these product levels",
        )
    return compare_maps(map(read_scene, files), engine)


def compare_maps(scenes: Iterable[ReferenceScene], engine: Engine) -> MapEvaluation:
    """Make maps of scenes, and compare them with the scenes' references.

    Args:
        scenes: of product levels that the model accepts.
        engine: the model.
    """
    taught = any(TAUGHT_BY in str(source.get("title", "")) for source in engine.contract.training_data)
    references, agreements, kinds, pictures = [], [], [], []
    dates: dict[tuple[str, str, str, tuple[int, int]], list[np.ndarray]] = defaultdict(list)
    for scene in scenes:
        file = scene.file
        note = file.learnt_part if taught else ""
        classes = np.concatenate([classify_stack(part, file.level, engine).classes for part in scene.parts()])
        groups = groups_of(classes)
        if scene.groups is not None:
            metrics = compare_groups(groups, scene.groups)
            references.append(SceneMetrics(file.name, file.level, note, metrics))
        if scene.cover is not None:
            metrics = compare_groups(groups, scene.cover, scene.sure)
            agreements.append(SceneMetrics(file.name, file.level, note, metrics))
        if scene.kinds is not None:
            kinds += [
                WaterKinds(file.name, file.level, kind, int(v["pixels"]), v["River"], v["SeaLake"])
                for kind, v in water_kinds(classes, scene.kinds).items()
            ]
        if file.place:
            dates[file.place, file.level, note, file.shape].append(groups)
        if not file.stacked:
            pictures.append((file, _picture(scene, classes)))
    seasons = tuple(
        Season(place, level, len(maps), season_agreement(maps), note)
        for (place, level, note, _), maps in dates.items()
        if len(maps) > 1
    )
    return MapEvaluation(tuple(references), tuple(agreements), tuple(kinds), seasons, _chosen(pictures), taught)


def _chosen(candidates: list[tuple[SceneFile, MapPicture]]) -> tuple[MapPicture, ...]:
    """Return the scenes for the picture, one per place. Scenes with a reference and L2A scenes come first."""

    def rank(candidate: tuple[SceneFile, MapPicture]) -> tuple[bool, bool, bool, str]:
        file, shown = candidate
        return (shown.kind in (TAUGHT_BY, ""), not shown.kind, file.level != "L2A", file.name)

    first: dict[str, MapPicture] = {}
    for file, shown in sorted(candidates, key=rank):
        first.setdefault(file.place or file.name, shown)
    return tuple(list(first.values())[:PICTURES])


def _picture(scene: ReferenceScene, classes: np.ndarray) -> MapPicture:
    step = -(-max(classes.shape) // _LARGEST_SIDE)
    layers = np.stack([scene.stack[::step, ::step, BAND_INDEX[band]] for band in TRUE_COLOUR])
    title = f"{scene.file.name} {scene.file.level}"
    choices = ((scene.groups, GROUPS_KIND), (scene.kinds, WATER_KIND), (scene.cover, TAUGHT_BY))
    for codes, kind in choices:
        if codes is not None and (kind == WATER_KIND or (codes < len(JUDGED)).any()):
            return MapPicture(title, layers, classes[::step, ::step], codes[::step, ::step], kind)
    return MapPicture(title, layers, classes[::step, ::step], None, "")
