"""Load a `.keras` file and compare its shapes with the contract.

Keras is imported late, inside the function, because it reads `KERAS_BACKEND` when it is first imported.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from lc_assets.core.environment import variable
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
            f"Keras cannot use KERAS_BACKEND={variable('KERAS_BACKEND')} ({error})",
            asset="class_raster",
            remedy=f"install that backend, or unset KERAS_BACKEND to use {DEFAULT_BACKEND}",
        ) from None
    try:
        model: Any = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras can raise any error for a broken archive
        raise _not_loaded(path, contract, str(keras.__version__), error) from None
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


def _not_loaded(path: Path, contract: ModelContract, installed: str, error: Exception) -> BadModel:
    """Return the error for a file that Keras cannot load. It names both versions where another one saved the file."""
    reason = f"{type(error).__name__}: {first_line(error)}"
    versions = (saved_version(path), contract.framework_version) if zipfile.is_zipfile(path) else ()
    saved = next((version for version in versions if version and version != installed), None)
    if saved and not re.search("(?i)lambda|safe_mode", str(error)):
        return BadModel(
            f"{path} was saved by Keras {saved}, and the installed Keras {installed} cannot load it ({reason})",
            asset=f"model {contract.name}",
            remedy=f"install the version that saved it (pip install keras=={saved}), or save it again with Keras "
            f"{installed} and write a new contract",
        )
    return BadModel(
        f"{path} cannot be loaded as a Keras model ({reason})",
        asset="class_raster",
        remedy="save it again with model.save('model.keras') from Keras 3, without custom code (Lambda layers)",
    )


def saved_version(path: Path) -> str:
    """Return the version of Keras that saved a `.keras` file; empty where the file does not tell it."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            found = json.loads(file.read(1 << 16))["keras_version"]
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) and re.fullmatch(r"\d[\w.+-]{0,30}", found) else ""
