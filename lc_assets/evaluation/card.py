"""The model's card: what it is, how good it is, where it fails. One function judges, one writes; Dagster's
`model_evaluation` asset shows what the same judgement says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.contract import ModelContract
from lc_assets.errors import BadModel, StoreError
from lc_assets.evaluation.charts import calibration_chart, confusion_chart
from lc_assets.evaluation.chips import CHIP, Chips
from lc_assets.evaluation.figures import NOT_CREDIBLE, Judgement, agreement, judge_weak_labels
from lc_assets.evaluation.splits import read_eastern, read_judges
from lc_assets.inference.chips import classify_chips
from lc_assets.inference.models import read_contract
from lc_assets.landcover import CLASSES
from lc_assets.store import put

ABLATION = "ablation.json"
"""Beside the model: what `lc-assets train --ablation` measured."""
HOLD_OUT = Path("holdout", "model.json")
"""Beside the model: its twin that `lc-assets train --holdout` fitted without the eastern quarter of the chips."""
VOTES = (6, 7, 8, 9, 10)
CREDIBLE_AT = 8
"""Votes of ten from which weak labels are counted as good."""


@dataclass(frozen=True)
class Evaluation:
    """A model, judged.

    Attributes:
        contract: of the model.
        labelled: on the official validation chips (L1C); None where the model does not take L1C.
        thirds: the same chips in three parts by longitude: name -> judgement.
        eastern: the model's twin that was fitted without the eastern quarter of all chips, on that quarter; None where
            the model has no such twin.
        weak: on weakly labelled L2A chips, per least number of votes; empty where the model does not take L2A.
    """

    contract: ModelContract
    labelled: Judgement | None
    thirds: dict[str, Judgement]
    eastern: Judgement | None
    weak: dict[int, Judgement]


def evaluate(model: Path, data: Path) -> Evaluation:
    """Judge a model by the chips in a folder that are not learnt from.

    Raises:
        BadModel: the model cannot be loaded, or no chips fit its product levels.
        LandCoverError: the chips cannot be read.
    """
    contract, _ = read_contract(model)
    if contract.chip_size != CHIP:
        raise BadModel(
            f"it takes chips of {contract.chip_size} px, the labelled chips are {CHIP} px",
            asset=f"model {contract.name}",
            remedy="judge it by classify_chips on chips of your own",
        )
    validation, l2a = read_judges(data)
    labelled, thirds, eastern, weak = None, {}, None, {}
    if "L1C" in contract.product_levels and len(validation):
        probabilities = _classified(validation, model, "L1C")
        labelled = Judgement.of(probabilities, validation.labels)
        known = np.isfinite(validation.longitudes)
        if known.any():
            edges = np.nanquantile(validation.longitudes, (1 / 3, 2 / 3))
            part = np.where(known, np.digitize(validation.longitudes, edges), -1)
            names = (f"west of {edges[0]:.1f}°", "between", f"east of {edges[1]:.1f}°")
            thirds = {
                name: Judgement.of(probabilities[part == n], validation.labels[part == n])
                for n, name in enumerate(names)
                if (part == n).any()
            }
        twin = model.parent / HOLD_OUT
        if twin.exists() and len(unseen := read_eastern(data)):
            eastern = Judgement.of(_classified(unseen, twin, "L1C"), unseen.labels)
    if "L2A" in contract.product_levels and len(l2a):
        probabilities = _classified(l2a, model, "L2A")
        weak = {n: judge_weak_labels(probabilities, l2a, n) for n in VOTES}
    if labelled is None and not weak:
        raise BadModel(
            f"{data} has no chips of {' or '.join(contract.product_levels)} to judge it by: {len(validation)} of L1C "
            f"with official_split val, {len(l2a)} of L2A",
            asset=f"model {contract.name}",
            remedy="name a folder that holds some out",
        )
    return Evaluation(contract, labelled, thirds, eastern, weak)


def _classified(chips: Chips, model: Path, level: str) -> np.ndarray:
    return classify_chips(chips.dn.transpose(0, 2, 3, 1), model, level)


def class_rows(judged: Judgement) -> list[dict[str, Any]]:
    """Per class: chips, precision, recall, F1 in percent."""
    figures = zip(CLASSES, judged.confusion.sum(axis=1), judged.precision, judged.recall, judged.f1, strict=True)
    return [
        {
            "class": c.name,
            "chips": int(chips),
            # Without a chip of the class there is nothing to find, and little to say of what was called it.
            **{
                name: _rounded(v) if chips else None
                for name, v in (("precision", precision), ("recall", recall), ("f1", f1))
            },
        }
        for c, chips, precision, recall, f1 in figures
    ]


def _rounded(share: float) -> float | None:
    """Percent; None where nothing was there to be counted."""
    return round(100 * float(share), 1) if np.isfinite(share) else None


def write_card(model: Path, data: Path) -> Path:
    """Judge a model and write its card (`README.md` and two charts) beside it; the card's path.

    Raises:
        BadModel, LandCoverError: see `evaluate`.
        StoreError: the card cannot be written, or would take the place of a text of somebody's own.
    """
    folder = model.parent
    card, ablation = folder / "README.md", folder / ABLATION
    try:
        if card.exists() and _GENERATED not in card.read_text(encoding="utf-8"):
            raise StoreError(f"{card} is no card of lc-assets", remedy="move it away, for the card is written there")
        experiments = json.loads(ablation.read_text(encoding="utf-8")) if ablation.exists() else []
        judged = evaluate(model, data)
        files = {card: _text(judged, experiments).encode()}
        if judged.labelled:
            files[folder / "confusion.png"] = confusion_chart(judged.labelled)
            files[folder / "calibration.png"] = calibration_chart(judged.labelled)
        for path, content in files.items():
            put(path, content, item=judged.contract.name, asset="card")
    except OSError as error:
        raise StoreError(f"{card} cannot be written ({error.strerror})", remedy="mend the model's folder") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{ablation} is not what lc-assets train writes ({error})", remedy="remove it, or train again"
        ) from None
    return card


_GENERATED = "Generated by `lc-assets model card`."


def _text(judged: Evaluation, experiments: list[dict[str, Any]]) -> str:
    contract = judged.contract
    parts = [f"# {contract.name} {contract.version}", f"{contract.description} {_GENERATED}".strip()]
    work = contract.hyperparameters.get("multiply_adds_per_pixel")
    facts = [
        ("bands", " ".join(contract.bands)),
        ("product levels", ", ".join(contract.product_levels)),
        ("input", f"{contract.chip_size} x {contract.chip_size} px at 10 m, {contract.resampling}"),
        ("parameters", f"{contract.total_parameters:,}"),
        *([("multiply-adds per pixel", f"{work:,.0f}")] if isinstance(work, (int, float)) else []),
        ("SHA-256", f"`{contract.sha256}`"),
    ]
    parts.append(_table(("what", "is"), facts))
    if judged.labelled:
        parts += _labelled(judged)
    if judged.eastern:
        parts += _eastern(judged.eastern)
    if judged.weak:
        parts += _weak(judged.weak)
    if experiments:
        parts += _ablation(experiments)
    parts += ["## What it cannot do", *_limits(contract)]
    if contract.training_data:
        parts += ["## Training data"]
        parts += [
            f"- {s.get('title', 'untitled')}: {s.get('attribution', 'no attribution given')}; "
            f"licence: {s.get('license', 'none given')}. {s.get('href', '')}"
            for s in contract.training_data
        ]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


_CALIBRATED = (
    " Every second chip of the list was also used to choose the calibration temperature (one number); none was learnt "
    "from."
)


def _limits(contract: ModelContract) -> list[str]:
    """What holds for any model that judges single windows, and what this one says of itself."""
    metres = contract.chip_size * 10
    return [
        "- It sees one date. A bare field in May and a harvested one in August look alike; crops and grass are told "
        "apart by the season that the scene happens to show.",
        f"- It judges squares of {metres} m: things narrower than that widen, small ones vanish, borders are good to "
        "about a quarter of a window.",
        "- Clouds, shadows, snow and smoke are no classes of it: mask them (SCL does by default) or it will call them "
        "something.",
        *(f"- {sentence}" for sentence in contract.limitations),
    ]


def _labelled(evaluation: Evaluation) -> list[str]:
    judged, thirds = evaluation.labelled, evaluation.thirds
    assert judged is not None
    low, high = judged.accuracy_interval
    clean = evaluation.contract.metrics.get("l1c_validation_half_not_used_for_temperature")
    calibrated = "temperature" in evaluation.contract.hyperparameters
    parts = [
        "## On EuroSAT's official validation list (L1C, top of atmosphere)",
        f"{judged.chips} chips: **{100 * judged.accuracy:.1f} %** right (95 % interval {100 * low:.1f} to "
        f"{100 * high:.1f}), expected calibration error {judged.calibration_error:.3f}."
        + (_CALIBRATED if calibrated else "")
        + (
            f" On the other half of it the error is {clean['expected_calibration_error']:.3f}."
            if isinstance(clean, dict) and isinstance(clean.get("expected_calibration_error"), float)
            else ""
        ),
        "![Confusion matrix](confusion.png)",
        _class_table(judged),
        "![Calibration curve](calibration.png)",
    ]
    if thirds:
        rows = [(name, part.chips, _percent(part.accuracy)) for name, part in thirds.items()]
        parts += ["The same chips by longitude:", _table(("part", "chips", "accuracy"), rows)]
    return parts


def _eastern(judged: Judgement) -> list[str]:
    low, high = judged.accuracy_interval
    return [
        "## On a spatial hold-out (L1C, by longitude)",
        f"The official list is drawn at random, so its chips may lie beside training chips. So a twin of the model "
        f"({HOLD_OUT.parent}/) was fitted, without a teacher, to nothing from the eastern quarter of the multispectral "
        "chips of both lists, nor to their RGB twins (the place of the other RGB chips is not known, so some of those "
        f"may still be eastern). On that quarter it is right on **{100 * judged.accuracy:.1f} %** of {judged.chips} "
        f"chips (95 % interval {100 * low:.1f} to {100 * high:.1f}), expected calibration error "
        f"{judged.calibration_error:.3f}.",
        _class_table(judged),
    ]


def _weak(judged: dict[int, Judgement]) -> list[str]:
    totals = []
    for votes, part in judged.items():
        v = agreement(part)
        totals.append(
            (votes, v["chips"], _percent(v.get("agreement")), v["sea_lake_chips"], _percent(v.get("sea_lake_recall")))
        )
    recalls = [(c.name, *(_recall(part, c.code) for part in judged.values())) for c in CLASSES]
    return [
        "## On L2A chips (bottom of atmosphere), weakly labelled",
        "The odd-numbered chips, which `lc-assets train` never learns from. Their label is the majority of ten "
        f"independent predictions, no ground truth; {', '.join(NOT_CREDIBLE)} are left out of the agreement, for their "
        "labels are poor or counted apart.",
        _table(("votes of 10, at least", "chips", "agreement", "SeaLake chips", "SeaLake recall"), totals),
        "Recall (chips in brackets) by votes of ten, at least:",
        _table(("class", *map(str, judged)), recalls),
        f"All classes at {CREDIBLE_AT} votes or more:",
        _class_table(judged[CREDIBLE_AT]),
    ]


def _recall(judged: Judgement, code: int) -> str:
    chips = int(judged.confusion[code].sum())
    return f"{_percent(judged.recall[code])} ({chips})" if chips else ""


def _ablation(experiments: list[dict[str, Any]]) -> list[str]:
    rows = [
        (e["ingredients"], e["judged_on"], e["chips"], _percent(e["accuracy"]), _percent(e.get("l2a_agreement")))
        for e in experiments
    ]
    return [
        "## What each ingredient brings",
        f"Short fits ({experiments[0]['steps']:,} steps each, one seed), so their figures are below the shipped "
        "model's and a chip or two of difference means nothing; what matters are the steps between the lines.",
        _table(("ingredients", "judged on", "chips", "accuracy", "L2A agreement, 8+ votes"), rows),
    ]


def _class_table(judged: Judgement) -> str:
    rows = [tuple(row.values()) for row in class_rows(judged)]
    return _table(("class", "chips", "precision %", "recall %", "F1 %"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join("" if cell is None else str(cell) for cell in line) + " |" for line in lines)


def _percent(share: float | None) -> str:
    return "" if share is None or not np.isfinite(share) else f"{100 * share:.1f} %"
