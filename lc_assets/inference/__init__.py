"""Inference: the model's contract, the engine that runs the model, and positions and windows that make a class map."""

import sys

# When it is imported, the OpenVINO package sends usage statistics to its makers without asking. If openvino_telemetry
# cannot be imported, it uses a stub and sends nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

from lc_assets.inference.predict import classify_chips  # noqa: E402
from lc_assets.inference.stack_classes import StackClasses, classify_stack  # noqa: E402

__all__ = ["StackClasses", "classify_chips", "classify_stack"]
