"""Compile OpenVINO graphs and run them from several threads: static shapes, a named precision, one request per
stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from lc_assets.core.cpu import cpu_count

Run = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Inputs in the graph's order -> its first output, the caller's own. Any thread may call it."""

MAX_STREAMS = 4
"""Blocks computed at a time. Each has a few dozen MB of its own; where there are more cores, they share a block."""


def streams() -> int:
    """Blocks computed at a time."""
    return min(cpu_count(), MAX_STREAMS)


def has_bfloat16() -> bool:
    """True when the CPU multiplies bfloat16 itself."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def cpu_name() -> str:
    """The CPU's name, as OpenVINO gives it."""
    import openvino

    return str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")).strip()


def version() -> str:
    """OpenVINO's version, without the build."""
    import openvino

    return str(openvino.__version__).partition("-")[0]


def compiled(graph: Any, precision: str) -> Run:
    """Compile a graph for the CPU.

    Args:
        graph: `openvino.Model` of static shape.
        precision: `float32` or `bfloat16`.
    """
    import openvino

    program = openvino.Core().compile_model(
        graph,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "NUM_STREAMS": str(streams()),
            "INFERENCE_NUM_THREADS": cpu_count(),
        },
    )
    requests: SimpleQueue[Any] = SimpleQueue()
    for _ in range(streams()):
        requests.put(program.create_infer_request())

    def run(inputs: Sequence[np.ndarray]) -> np.ndarray:
        request = requests.get()
        try:
            given = [np.ascontiguousarray(array) for array in inputs]
            out: np.ndarray = request.infer(given, share_inputs=True, share_outputs=True)[0].copy()
            return out
        finally:
            requests.put(request)

    return run
