"""The section of the model card about maps, and its tables for Dagster's UI."""

from __future__ import annotations

from typing import Any

from lc_assets.training.evaluation.map_evaluation import TAUGHT_BY, MapEvaluation, SceneMetrics
from lc_assets.training.evaluation.map_metrics import BORDER, JUDGED, SMALL, SMALL_PIXELS
from lc_assets.training.evaluation.markdown import percent, rounded_percent, rows_table, table

PICTURE = "maps.png"
"""File of the picture, beside the card."""

_HOW = (
    f"`mean recall` is the mean of the recalls of the groups {', '.join(JUDGED)}, with the same weight for "
    f"each. `near borders` counts the pixels within {BORDER} px of a border between groups. A small object is "
    f"a connected part of {SMALL_PIXELS[0]} to {SMALL_PIXELS[1]} px; it is found if at least half of its pixels are "
    "right."
)
_AGREEMENT = (
    f"This is agreement with {TAUGHT_BY}, not accuracy: {TAUGHT_BY} is a model itself and makes errors. Only pixels of "
    f"which {TAUGHT_BY} is certain are counted."
)
_TAUGHT = f" This model has learnt from {TAUGHT_BY}, so it repeats some of these errors."


def map_section(maps: MapEvaluation) -> list[str]:
    """Return the paragraphs of the section."""
    parts = ["## On maps of real scenes", _main_figures(maps)]
    if maps.pictures:
        parts.append(f"![Scenes, their maps and their references]({PICTURE})")
    if maps.references or maps.agreements:
        parts.append(_HOW)
    if maps.references:
        parts += [
            "Against the references beside the scenes (`_ref.tif`):",
            _metrics_table(maps.references, "right"),
            "Recall / F1 of each group:",
            _group_table(maps.references),
        ]
    if maps.agreements:
        parts += [
            f"### Agreement with {TAUGHT_BY}",
            _AGREEMENT + (_TAUGHT if maps.taught else ""),
            _metrics_table(maps.agreements, "agreement"),
            "Recall / F1 of each group, as agreement:",
            _group_table(maps.agreements),
        ]
    if maps.kinds:
        parts += ["What the map calls water:", rows_table(kind_rows(maps))]
    if maps.seasons:
        parts += [
            "From date to date, the share of pixels that are in the group of most dates (at least one over the number "
            "of dates):",
            rows_table(season_rows(maps)),
        ]
    return parts


def _main_figures(maps: MapEvaluation) -> str:
    figures = [
        f"{part.scene} {part.level} **{percent(part.metrics.mean_recall)}**"
        for part in maps.references
        if part.metrics.mean_recall is not None
    ]
    if figures:
        return f"Mean recall of the groups, in scenes with references: {', '.join(figures)}."
    return "Maps of these scenes, made as the pipeline makes them; no scene has a reference of groups of its own."


def _metrics_table(parts: tuple[SceneMetrics, ...], right: str) -> str:
    return rows_table(
        [
            {name: value for name, value in row.items() if not name.startswith(("recall of", "F1 of"))}
            for row in scene_rows(parts, right)
        ]
    )


def _found(part: SceneMetrics, group: str) -> str:
    found, objects = part.metrics.small[group]
    return f"{found} of {objects}" if objects else ""


def _group_table(parts: tuple[SceneMetrics, ...]) -> str:
    rows = [
        (
            *(part.scene, part.level),
            *(
                f"{percent(part.metrics.recall[group])} / {percent(part.metrics.f1[group])}"
                if group in part.metrics.recall
                else ""
                for group in JUDGED
            ),
        )
        for part in parts
        if part.metrics.recall
    ]
    return table(("scene", "level", *JUDGED), rows)


def scene_rows(parts: tuple[SceneMetrics, ...], right: str) -> list[dict[str, Any]]:
    """Return one dict per scene, shares in percent (None where undefined).

    Args:
        parts: the metrics of the scenes.
        right: name of the share of pixels in the reference's group.
    """
    return [
        {
            **{"scene": part.scene, "level": part.level, "pixels": part.metrics.pixels},
            right: rounded_percent(part.metrics.right),
            "mean recall": rounded_percent(part.metrics.mean_recall),
            "near borders": rounded_percent(part.metrics.near_borders),
            **{f"small {group} found": _found(part, group) for group in SMALL},
            **{f"recall of {group}": rounded_percent(part.metrics.recall.get(group)) for group in JUDGED},
            **{f"F1 of {group}": rounded_percent(part.metrics.f1.get(group)) for group in JUDGED},
            "note": part.note,
        }
        for part in parts
    ]


def kind_rows(maps: MapEvaluation) -> list[dict[str, Any]]:
    """Return one dict per scene and kind of water, shares in percent."""
    return [
        {
            **{"scene": k.scene, "level": k.level, "water in the reference": k.kind, "pixels": k.pixels},
            **{"called River": rounded_percent(k.river), "called SeaLake": rounded_percent(k.sea_lake)},
        }
        for k in maps.kinds
    ]


def season_rows(maps: MapEvaluation) -> list[dict[str, Any]]:
    """Return one dict per place and level, shares in percent."""
    return [
        {
            **{"place": s.place, "level": s.level, "dates": s.dates},
            **{"pixels in the group of most dates": rounded_percent(s.agreement), "note": s.note},
        }
        for s in maps.seasons
    ]
