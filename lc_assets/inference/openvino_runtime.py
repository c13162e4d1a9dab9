"""Compile OpenVINO graphs and run them from several threads: static shapes, explicit precision, one request per
stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from lc_assets.core.cpu import cpu_count

Run = Callable[[Sequence[np.ndarray]], np.ndarray]
"""A function from inputs in the graph's order to a copy of its first output. Any thread may call it."""

MAX_STREAMS = 4
"""Largest number of blocks computed at a time. Each block takes a few dozen MB. With more cores, several cores work on
one block."""

_first_call = threading.Lock()
"""Held during the first call of each program. In it OpenVINO's Python layer initialises static variables (it loads
NumPy's interface to convert number types): it releases the interpreter's lock meanwhile, so two threads that do this at
the same time can wait for each other forever (seen with OpenVINO 2026.4)."""


def streams() -> int:
    """Return the number of blocks to compute at a time: the number of cores, at most `MAX_STREAMS`."""
    return min(cpu_count(), MAX_STREAMS)


def has_bfloat16() -> bool:
    """Return True if the CPU has instructions for bfloat16."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def cpu_name() -> str:
    """Return the CPU's name, as OpenVINO reports it."""
    import openvino

    return str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")).strip()


def cpu_description() -> str:
    """Return the CPU's name and the number formats that OpenVINO can use on it."""
    import openvino

    return f"{cpu_name()} {sorted(openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'))}"


def version() -> str:
    """Return OpenVINO's version without the build number."""
    import openvino

    return str(openvino.__version__).partition("-")[0]


def compile_graph(graph: Any, precision: str) -> Run:
    """Compile a graph for the CPU and return a function that runs it.

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

    called = False

    def run(inputs: Sequence[np.ndarray]) -> np.ndarray:
        nonlocal called
        if not called:
            with _first_call:
                if not called:
                    out = infer(inputs)
                    called = True
                    return out
        return infer(inputs)

    def infer(inputs: Sequence[np.ndarray]) -> np.ndarray:
        request = requests.get()
        try:
            arrays = [np.ascontiguousarray(array) for array in inputs]
            out: np.ndarray = request.infer(arrays, share_inputs=True, share_outputs=True)[0].copy()
            return out
        finally:
            requests.put(request)

    return run
