"""model_evaluation: the accuracy of the configured model. The UI shows it for each model that was configured."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.metadata import picture, table
from lc_assets.defs.resources import EvaluationResource, ModelResource

if TYPE_CHECKING:
    from lc_assets.training.evaluation.map_evaluation import MapEvaluation

USABLE = 0.9
"""The check warns below this accuracy or agreement (0..1) on chips."""
USABLE_SYNTHETIC = 0.7
"""The check warns below this share (0..1) of correct pixels in a synthetic scene."""


@dg.asset(
    group_name="accuracy",
    kinds={"keras"},
    code_version="2",
    check_specs=[
        dg.AssetCheckSpec(
            "good_enough",
            asset="model_evaluation",
            description=f"Right on at least {USABLE_SYNTHETIC:.0%} of the pixels of each synthetic scene. If there are "
            f"chips, right on {USABLE:.0%} of the labelled ones, and on as many of the L2A chips whose weak label at "
            "least eight of ten predictions share.",
        )
    ],
)
def model_evaluation(model: ModelResource, evaluation: EvaluationResource) -> dg.MaterializeResult:
    """The accuracy of the configured model.

    It classifies synthetic scenes whose truth is known, which need no data. They show whether the model works, not how
    good it is on real ground. LC_ASSETS_SCENES names a folder of real scenes with references. LC_ASSETS_CHIPS names a
    folder of labelled chips, of which those are used that were held out from training: EuroSAT's official validation
    list (L1C), weakly labelled L2A chips by number of votes, and the eastern quarter, if the model has a twin that was
    trained without the east.
    """
    from lc_assets.training.data.splits import CREDIBLE_VOTES
    from lc_assets.training.evaluation.charts import calibration_chart, confusion_chart
    from lc_assets.training.evaluation.map_charts import maps_chart
    from lc_assets.training.evaluation.map_section import scene_rows
    from lc_assets.training.evaluation.metrics import agreement
    from lc_assets.training.evaluation.model_card import class_rows, evaluate
    from lc_assets.training.evaluation.synthetic import evaluate_synthetic

    with raise_as_dagster_failure():
        synthetic = evaluate_synthetic(Path(model.item))
        judged = evaluate(Path(model.item), *evaluation.folders())
    contract = judged.contract
    right = [part.metrics.right or 0.0 for part in synthetic.references]
    metadata: dict[str, Any] = {
        "model": f"{contract.name} {contract.version}",
        "model_sha256": contract.sha256,
        "synthetic_right_percent": round(100 * sum(right) / len(right), 2),
        "synthetic": table(scene_rows(synthetic.references, "right")),
        "maps": picture(maps_chart(judged.maps or synthetic), "png", "scenes, maps and references"),
    }
    limits = [(share, USABLE_SYNTHETIC) for share in right]
    if judged.labelled:
        low, high = judged.labelled.accuracy_interval
        limits.append((judged.labelled.accuracy, USABLE))
        metadata |= {
            "confusion": picture(confusion_chart(judged.labelled), "png", "confusion matrix"),
            "calibration": picture(calibration_chart(judged.labelled), "png", "calibration curve"),
            "l1c_accuracy": judged.labelled.accuracy,
            "l1c": f"{judged.labelled.chips} chips, accuracy {low:.3f} to {high:.3f} (95 % interval), "
            f"calibration error {judged.labelled.calibration_error:.3f}",
            "l1c_classes": table(class_rows(judged.labelled)),
        }
    if judged.eastern:
        metadata["eastern_hold_out"] = f"accuracy {judged.eastern.accuracy:.3f} of {judged.eastern.chips} chips"
    if judged.weak:
        found = {votes: agreement(part) for votes, part in judged.weak.items()}
        limits += [(found[CREDIBLE_VOTES]["agreement"], USABLE)] if "agreement" in found[CREDIBLE_VOTES] else []
        columns = ("chips", "agreement", "sea_lake_chips", "sea_lake_recall")
        rows = [{"votes of ten": votes, **{c: figures.get(c) for c in columns}} for votes, figures in found.items()]
        metadata["l2a"] = table(rows)
    if judged.maps:
        metadata |= _maps_metadata(judged.maps)
    share, limit = min(limits, key=lambda pair: pair[0] - pair[1])
    return dg.MaterializeResult(
        metadata=metadata,
        data_version=dg.DataVersion(contract.sha256),
        check_results=[
            dg.AssetCheckResult(
                check_name="good_enough",
                passed=share >= limit,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"lowest": share, "limit": limit},
            )
        ],
    )


def _maps_metadata(maps: "MapEvaluation") -> dict[str, Any]:
    """Return tables of the maps of real scenes."""
    from lc_assets.training.evaluation.map_section import kind_rows, scene_rows, season_rows

    tables = {
        "map_references": scene_rows(maps.references, "right"),
        "map_agreement_with_dynamic_world": scene_rows(maps.agreements, "agreement"),
        "map_water_kinds": kind_rows(maps),
        "map_seasons": season_rows(maps),
    }
    return {name: table(rows) for name, rows in tables.items() if rows}
