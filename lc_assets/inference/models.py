"""Find a model: the shipped one, or a user's two files (an MLM item and the `.keras` file that it references)."""

from __future__ import annotations

import json
from pathlib import Path

from lc_assets.contract import ModelContract
from lc_assets.errors import BadModel
from lc_assets.inference.engine import Engine, load_engine
from lc_assets.stac.mlm import contract_from_item, model_href

SHIPPED = Path(__file__).parents[1] / "models" / "eurosat12-gap" / "model.json"
"""MLM item of the model that is used unless a setting names another one."""


def read_contract(item: Path = SHIPPED) -> tuple[ModelContract, Path]:
    """The contract in an MLM item, and the path of its weights.

    Raises:
        BadModel: the item is missing, is no JSON, or is no complete contract.
    """
    try:
        document = json.loads(item.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadModel(
            f"the model's MLM item {item} cannot be read ({error.strerror})",
            asset="class_raster",
            remedy="set LC_ASSETS_MODEL to the model's .json, or unset it to use the shipped model",
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadModel(
            f"the model's MLM item {item} is no JSON ({error})",
            asset="class_raster",
            remedy="put the original file back; LC_ASSETS_MODEL names the .json, not the .keras file",
        ) from None
    contract = contract_from_item(document)
    try:
        return contract, (item.parent / model_href(document)).resolve()
    except (ValueError, OSError, RuntimeError) as error:
        raise BadModel(
            f"the href of its weights is no path ({error})", asset=f"model {contract.name}", remedy="mend the MLM item"
        ) from None


def open_model(item: Path = SHIPPED) -> Engine:
    """The model behind an MLM item, loaded and ready.

    Raises:
        BadModel: see `read_contract` and `lc_assets.inference.engine.load_engine`.
    """
    contract, weights = read_contract(item)
    return load_engine(weights, contract)
