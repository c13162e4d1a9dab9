"""Load a `.keras` file and hold its shapes against the contract. Keras is imported here, late: it reads `KERAS_BACKEND`
when it is first imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lc_assets.core.errors import BadModel
from lc_assets.inference.chip_programs import first_line
from lc_assets.inference.contract import ModelContract

DEFAULT_BACKEND = "openvino"


def load_keras_model(path: Path, contract: ModelContract) -> Any:
    """The Keras model in a file. `KERAS_BACKEND` must be set.

    Args:
        path: the `.keras` file.
        contract: what its input and output have to fit.

    Raises:
        BadModel: Keras cannot use the backend or load the file, or its input or output shape is not the contract's.
    """
    try:
        import keras
    except (ImportError, ValueError) as error:  # ValueError: Keras does not know the backend
        raise BadModel(
            f"Keras cannot use KERAS_BACKEND={os.environ['KERAS_BACKEND']} ({error})",
            asset="class_raster",
            remedy=f"install that backend, or unset KERAS_BACKEND to use {DEFAULT_BACKEND}",
        ) from None
    try:
        model: Any = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the broken part of the archive made it raise
        raise BadModel(
            f"{path} cannot be loaded as a Keras model ({type(error).__name__}: {first_line(error)})",
            asset="class_raster",
            remedy="save it again with model.save('model.keras') from Keras 3, without custom code (Lambda layers)",
        ) from None
    chip, bands, classes = contract.chip_size, len(contract.bands), len(contract.class_names)
    for what, promised in (("input", (None, chip, chip, bands)), ("output", (None, classes))):
        try:
            found = tuple(getattr(model, f"{what}_shape"))
        except (AttributeError, TypeError, ValueError):  # it was never built, or is no model but a layer
            found = ()
        fits = len(found) == len(promised) and all(a in (None, b) for a, b in zip(found[1:], promised[1:], strict=True))
        if not fits:
            raise BadModel(
                f"its {what} shape is {found or 'not known'}, the contract promises {promised} "
                f"({chip} px chips, {bands} bands, {classes} classes)",
                asset=f"model {contract.name}",
                remedy="mend the contract or use the model that it describes",
            )
    return model
