"""model_evaluation: the accuracy of the configured model. The UI shows it for each model that was configured."""

from pathlib import Path
from typing import Any

import dagster as dg

from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.metadata import picture, table
from lc_assets.defs.resources import ChipsResource, ModelResource, ScenesResource
from lc_assets.training.data.splits import CREDIBLE_VOTES
from lc_assets.training.evaluation.charts import calibration_chart, confusion_chart
from lc_assets.training.evaluation.map_charts import maps_chart
from lc_assets.training.evaluation.map_evaluation import MapEvaluation
from lc_assets.training.evaluation.map_section import kind_rows, scene_rows, season_rows
from lc_assets.training.evaluation.metrics import agreement
from lc_assets.training.evaluation.model_card import class_rows, evaluate

USABLE = 0.9
"""The check warns below this accuracy or agreement (0..1)."""


@dg.asset(
    group_name="model",
    kinds={"keras"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            "good_enough",
            asset="model_evaluation",
            description=f"Right on at least {USABLE:.0%} of the labelled chips, and agrees with as many of the L2A "
            "chips that eight or more of ten predictions agree on.",
        )
    ],
)
def model_evaluation(model: ModelResource, chips: ChipsResource, scenes: ScenesResource) -> dg.MaterializeResult:
    """The accuracy of the configured model on chips that were held out from its training, and of its maps.

    Three sets: EuroSAT's official validation list (L1C); weakly labelled L2A chips by number of votes; and the eastern
    quarter, if the model has a twin that was trained without the east. Needs the folder of chips that LC_ASSETS_CHIPS
    names. Maps are judged if LC_ASSETS_SCENES names a folder of scenes with references.
    """
    with raise_as_dagster_failure():
        judged = evaluate(Path(model.item), Path(chips.folder), scenes.path)
    contract = judged.contract
    metadata: dict[str, Any] = {"model": f"{contract.name} {contract.version}", "model_sha256": contract.sha256}
    figures = []
    if judged.labelled:
        low, high = judged.labelled.accuracy_interval
        figures.append(judged.labelled.accuracy)
        metadata |= {
            "confusion": picture(confusion_chart(judged.labelled), "png", "confusion matrix"),
            "calibration": picture(calibration_chart(judged.labelled), "png", "calibration curve"),
            "l1c_accuracy": judged.labelled.accuracy,
            "l1c_accuracy_95_percent_interval": f"{low:.3f} to {high:.3f}",
            "l1c_calibration_error": judged.labelled.calibration_error,
            "l1c_chips": judged.labelled.chips,
            "l1c_classes": table(class_rows(judged.labelled)),
        }
    if judged.eastern:
        metadata |= {
            "eastern_hold_out_accuracy": judged.eastern.accuracy,
            "eastern_hold_out_chips": judged.eastern.chips,
            "eastern_hold_out_classes": table(class_rows(judged.eastern)),
        }
    for votes, part in judged.weak.items():
        found = agreement(part)
        metadata |= {f"l2a_{name}_votes_{votes}": value for name, value in found.items()}
        if votes == CREDIBLE_VOTES:
            figures += [found["agreement"]] if "agreement" in found else []
            metadata["l2a_classes"] = table(class_rows(part))
    if judged.maps:
        metadata |= _maps_metadata(judged.maps)
    return dg.MaterializeResult(
        metadata=metadata,
        data_version=dg.DataVersion(contract.sha256),
        check_results=[
            dg.AssetCheckResult(
                check_name="good_enough",
                passed=bool(figures) and min(figures) >= USABLE,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"lowest": min(figures, default=0.0), "limit": USABLE},
            )
        ],
    )


def _maps_metadata(maps: MapEvaluation) -> dict[str, Any]:
    """Return a picture of the maps, the mean recall of the groups for each scene, and tables."""
    metadata: dict[str, Any] = {}
    if maps.pictures:
        metadata["maps"] = picture(maps_chart(maps), "png", "scenes, maps and references")
    for prefix, parts in (("map_mean_recall", maps.references), ("map_mean_recall_agreement", maps.agreements)):
        for part in parts:
            if part.metrics.mean_recall is not None:
                metadata[f"{prefix}_{part.scene}_{part.level}"] = part.metrics.mean_recall
    tables = {
        "map_references": scene_rows(maps.references, "right"),
        "map_agreement_with_dynamic_world": scene_rows(maps.agreements, "agreement"),
        "map_water_kinds": kind_rows(maps),
        "map_seasons": season_rows(maps),
    }
    return metadata | {name: table(rows) for name, rows in tables.items() if rows}
