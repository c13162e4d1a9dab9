"""Inference: a model and its contract, the engine that runs it, and the class map made from positions or windows."""

import sys

# On import, OpenVINO sends usage statistics without asking. If openvino_telemetry cannot be imported, OpenVINO uses a
# stub and sends nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

from lc_assets.inference.predict import classify_chips  # noqa: E402
from lc_assets.inference.stack_classes import StackClasses, classify_stack  # noqa: E402

__all__ = ["StackClasses", "classify_chips", "classify_stack"]
