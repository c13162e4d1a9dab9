"""Load a model from its MLM item and the `.keras` file that it references: the shipped model, or a user's own."""

from __future__ import annotations

import json
from pathlib import Path

from lc_assets.core.errors import BadModel
from lc_assets.core.local_files import check_readable
from lc_assets.core.settings import SHIPPED, model_item
from lc_assets.inference.build import load_engine
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.engine import Engine
from lc_assets.inference.mlm import contract_from_item, model_href


def read_contract(item: str | Path = SHIPPED) -> tuple[ModelContract, Path]:
    """Return the contract in an MLM item, and the absolute path of its weights. `item` as in `model_item`.

    Raises:
        BadModel: the item is missing, is not JSON, or is not a complete contract.
    """
    try:
        item = model_item(item)
        check_readable(item)
        document = json.loads(item.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise BadModel(
            f"the model's MLM item {item} cannot be read ({error.strerror})",
            remedy="name the model's .json, its .keras or their folder; without a name, the shipped model is used",
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadModel(
            f"the model's MLM item {item} is not JSON ({error})",
            remedy="put the original file back",
        ) from None
    try:
        contract = contract_from_item(document)
    except BadModel as error:
        raise BadModel(f"{item}: {error.problem}", asset=error.asset, remedy=error.remedy) from None
    try:
        return contract, (item.parent / model_href(document)).resolve()
    except (ValueError, OSError, RuntimeError) as error:
        raise BadModel(
            f"{item}: the href of its weights is not a path ({error})",
            asset=f"model {contract.name}",
            remedy="correct the MLM item",
        ) from None


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"JSON does not allow {constant}")


def open_model(item: str | Path = SHIPPED, precision: str = "auto", *, again: bool = False) -> Engine:
    """Load the model of an MLM item, ready to run.

    Args:
        item: the MLM item, its weights or their folder, see `model_item`.
        precision: one of `lc_assets.core.settings.PRECISIONS`.
        again: see `lc_assets.inference.build.load_engine`.

    Raises:
        BadModel: see `read_contract` and `load_engine`.
    """
    contract, weights = read_contract(item)
    return load_engine(weights, contract, precision, again=again)
