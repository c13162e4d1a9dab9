"""Load a Keras model, check it against its contract, and make an engine of it.

OpenVINO is the default backend (small, CPU only, inference only); `KERAS_BACKEND` selects another one. Keras reads that
variable when it is first imported, so this module imports Keras late. For OpenVINO, Keras is needed only once: the
graphs of a model are kept with the result of their checks (`lc_assets.inference.graph_cache`). The precision is always
set explicitly: by default OpenVINO uses bfloat16 where the CPU supports it.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from lc_assets.core.checksum import sha256_of
from lc_assets.core.environment import set_default, variable
from lc_assets.core.errors import BadModel, LandCoverError
from lc_assets.inference import graph_cache
from lc_assets.inference.bfloat16_check import WrongBfloat16, compare_bfloat16
from lc_assets.inference.chip_programs import (
    compile_program,
    export_openvino,
    first_line,
    keras_program,
    lazy_program,
)
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import KerasPasses, OpenVinoPasses
from lc_assets.inference.dense.check import CHECKED_WINDOWS, check_dense
from lc_assets.inference.dense.evaluators import BATCH
from lc_assets.inference.dense.form import NotFullyConvolutional, split_fully_convolutional
from lc_assets.inference.engine import Engine
from lc_assets.inference.graph_cache import ModelGraphs
from lc_assets.inference.keras_file import DEFAULT_BACKEND, load_keras_model
from lc_assets.inference.openvino_runtime import cpu_name, has_bfloat16, version

_engines: dict[tuple[str, str, str, str], Engine] = {}
_loading = threading.Lock()


def load_engine(model: Path, contract: ModelContract, precision: str = "auto", *, again: bool = False) -> Engine:
    """Load a `.keras` file and check it against its contract.

    A process loads each combination of file content, contract, backend and precision once.

    Args:
        model: the `.keras` file.
        contract: the model's contract.
        precision: one of `PRECISIONS`.
        again: load and check it again, even if this or another process has done so.

    Raises:
        BadModel: the file is missing or corrupt, its SHA-256, input shape or output shape differs from the contract, or
            bfloat16 was requested explicitly and the CPU does not support it or its results are wrong.
    """
    set_default("KERAS_BACKEND", DEFAULT_BACKEND)
    try:
        # Reading a device or a pipe would never end.
        digest = sha256_of(model) if model.is_file() or not model.exists() else None
    except OSError as error:
        raise BadModel(
            f"the model file {model} cannot be read ({error.strerror})",
            asset=f"model {contract.name}",
            remedy="put the file back, or correct the href of the model asset in its MLM item",
        ) from None
    if digest != contract.sha256:
        found = f"its SHA-256 is {digest[:12]}..." if digest else "it is not a regular file"
        raise BadModel(
            f"{model} is not the file that its contract was written for, or it is damaged: "
            f"{found}, the contract has {contract.sha256[:12]}...",
            asset=f"model {contract.name}",
            remedy="put the original file back, or write a new contract for this one",
        )
    key = (contract.sha256, variable("KERAS_BACKEND"), repr(contract), precision)
    with _loading:
        if again or key not in _engines:
            _engines[key] = _build(model, contract, precision, again)
        return _engines[key]


def _build(path: Path, contract: ModelContract, requested: str, again: bool) -> Engine:
    backend = _keras_backend()
    precision = _precision(requested, backend)
    if backend == "openvino":
        engine = _on_openvino(path, contract, precision, requested, again)
    else:
        engine = _on_keras(load_keras_model(path, contract), contract, backend)
    if requested == "auto" and precision == "float32":
        return replace(engine, bfloat16=f"not supported by {_without_bfloat16(backend)}")
    return engine


def _keras_backend() -> str:
    """Return the backend that Keras has, or will have when it is imported."""
    if "keras" not in sys.modules:
        return variable("KERAS_BACKEND")
    import keras

    return str(keras.config.backend())


def _on_keras(model: Any, contract: ModelContract, backend: str) -> Engine:
    predict = keras_program(model)
    engine = Engine(contract, backend, "float32", predict)
    try:
        dense = KerasPasses(contract, split_fully_convolutional(model))
        check_dense(contract, dense, predict)
    except NotFullyConvolutional as error:
        return replace(engine, why_chips=str(error))
    except Exception as error:
        return replace(engine, why_chips=_not_split(error))
    return replace(engine, dense=dense)


def _on_openvino(path: Path, contract: ModelContract, precision: str, requested: str, again: bool) -> Engine:
    """Return the engine of the kept graphs; if there are none, make and check them, and keep them if all is well."""
    key = graph_cache.key_of(contract, precision)
    kept = None if again else graph_cache.load(key)
    if kept:
        return _engine_of(kept, contract, precision)
    graphs = _checked_graphs(load_keras_model(path, contract), contract)
    engine = _engine_of(graphs, contract, "float32")
    if precision == "bfloat16":
        engine = _in_bfloat16(engine, graphs, requested)
    if engine.precision == precision and not graphs.unexpected:
        graph_cache.save(key, replace(graphs, bfloat16=engine.bfloat16))
    return engine


def _engine_of(graphs: ModelGraphs, contract: ModelContract, precision: str) -> Engine:
    predict = lazy_program(lambda: graphs.chips, precision, contract.name)
    dense = OpenVinoPasses(contract, graphs.dense, precision) if graphs.dense else None
    return Engine(contract, "openvino", precision, predict, dense, graphs.why_chips, graphs.bfloat16)


def _checked_graphs(model: Any, contract: ModelContract) -> ModelGraphs:
    """Return the graphs of a Keras model. Those of its dense evaluation are compared with the model in float32.

    Raises:
        BadModel: OpenVINO's converter does not support a part of the model.
    """
    from lc_assets.inference.dense.openvino import dense_graphs

    def export(chips: int) -> Any:
        shape = (chips, contract.chip_size, contract.chip_size, len(contract.bands))
        return export_openvino(model, shape, contract.name)

    chips = export(BATCH)
    predict_few = lazy_program(lambda: export(CHECKED_WINDOWS**2), "float32", contract.name)
    try:
        dense = dense_graphs(split_fully_convolutional(model), contract)
        check_dense(contract, OpenVinoPasses(contract, dense, "float32"), predict_few)
    except NotFullyConvolutional as error:
        return ModelGraphs(chips, why_chips=str(error))
    except Exception as error:
        return ModelGraphs(chips, why_chips=_not_split(error), unexpected=True)
    return ModelGraphs(chips, dense)


def _in_bfloat16(exact: Engine, graphs: ModelGraphs, requested: str) -> Engine:
    """Return the engine in bfloat16 if its results agree with those of `exact`, the engine in float32, else `exact`.

    Raises:
        BadModel: the results differ, and bfloat16 was requested explicitly.
    """
    contract = exact.contract
    exact = replace(exact, predict=compile_program(graphs.chips, "float32", contract.name))
    try:
        fast = compile_program(graphs.chips, "bfloat16", contract.name)
        dense = OpenVinoPasses(contract, graphs.dense, "bfloat16") if graphs.dense else None
        compared = compare_bfloat16(contract, exact.predict, fast, dense)
    except WrongBfloat16 as error:
        why = str(error)
    except Exception as error:  # OpenVINO's compiler and kernels can raise any error
        why = f"it cannot be computed ({type(error).__name__}: {first_line(error)})"
    else:
        return replace(exact, precision="bfloat16", predict=fast, dense=dense, bfloat16=compared)
    where = f"with OpenVINO {version()} on {cpu_name()}"
    if requested == "bfloat16":
        raise BadModel(
            f"bfloat16 was requested, but is wrong {where}: {why}",
            asset=f"model {contract.name}",
            remedy="set LC_ASSETS_PRECISION to auto or float32, or install another version of OpenVINO",
        )
    warning = LandCoverError(
        f"bfloat16 is wrong {where}: {why}; float32 is used, which is slower",
        asset=f"model {contract.name}",
        remedy="set LC_ASSETS_PRECISION=float32 to silence this, or install another version of OpenVINO",
    )
    return replace(exact, bfloat16=f"not used: {why}", warning=str(warning))


def _not_split(error: Exception) -> str:
    """Return why a model is evaluated chip by chip after an error that splitting is not expected to raise."""
    return f"it cannot be split ({type(error).__name__}: {first_line(error)})"


def _precision(requested: str, backend: str) -> str:
    possible = backend == "openvino" and has_bfloat16()
    if requested == "auto":
        return "bfloat16" if possible else "float32"
    if requested == "bfloat16" and not possible:
        raise BadModel(
            f"bfloat16 was requested, but {_without_bfloat16(backend)} does not support it",
            asset="class_raster",
            remedy="set LC_ASSETS_PRECISION to auto or float32",
        )
    return requested


def _without_bfloat16(backend: str) -> str:
    return "this CPU" if backend == "openvino" else f"the {backend} backend"
