"""From chips to class probabilities: the model's contract, the engine that runs it, the sliding window."""

import sys

# OpenVINO's package sends statistics of its use to its makers, without asking, when it is imported. Where
# openvino_telemetry cannot be imported it takes a stub and sends nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

from lc_assets.inference.predict import classify_chips  # noqa: E402

__all__ = ["classify_chips"]
