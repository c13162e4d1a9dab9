"""Load a `.keras` file and compare its shapes with the contract.

Keras is imported late, inside the function, because it reads `KERAS_BACKEND` when it is first imported.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lc_assets.core.errors import BadModel
from lc_assets.inference.chip_programs import first_line
from lc_assets.inference.contract import ModelContract

DEFAULT_BACKEND = "openvino"


def load_keras_model(path: Path, contract: ModelContract) -> Any:
    """Return the Keras model in a file. `KERAS_BACKEND` must be set.

    Args:
        path: the `.keras` file.
        contract: the model's contract, with the expected input and output shapes.

    Raises:
        BadModel: Keras cannot use the backend or load the file, or the input or output shape differs from the contract.
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
    except Exception as error:  # Keras can raise any error for a broken archive
        raise BadModel(
            f"{path} cannot be loaded as a Keras model ({type(error).__name__}: {first_line(error)})",
            asset="class_raster",
            remedy="save it again with model.save('model.keras') from Keras 3, without custom code (Lambda layers)",
        ) from None
    chip, bands, classes = contract.chip_size, len(contract.bands), len(contract.class_names)
    for what, expected in (("input", (None, chip, chip, bands)), ("output", (None, classes))):
        try:
            found = tuple(getattr(model, f"{what}_shape"))
        except (AttributeError, TypeError, ValueError):  # the model was never built, or is only a layer
            found = ()
        fits = len(found) == len(expected) and all(a in (None, b) for a, b in zip(found[1:], expected[1:], strict=True))
        if not fits:
            raise BadModel(
                f"its {what} shape is {found or 'not known'}, but the contract says {expected} "
                f"({chip} px chips, {bands} bands, {classes} classes)",
                asset=f"model {contract.name}",
                remedy="correct the contract, or use the model that it describes",
            )
    return model
