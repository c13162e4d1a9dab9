"""Compile OpenVINO graphs and run them from several threads: static shapes, explicit precision, one request per
stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np

from lc_assets.core.cpu import cpu_count

Run = Callable[[Sequence[np.ndarray]], np.ndarray]
"""A function from inputs in the graph's order to a copy of its first output. Any thread may call it."""

MAX_STREAMS = 4
"""Largest number of blocks computed at a time. Each block takes a few dozen MB. With more cores, several cores work on
one block."""

_converting = Lock()


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
    _prepare_conversion()
    requests: SimpleQueue[Any] = SimpleQueue()
    for _ in range(streams()):
        requests.put(program.create_infer_request())

    def run(inputs: Sequence[np.ndarray]) -> np.ndarray:
        request = requests.get()
        try:
            arrays = [np.ascontiguousarray(array) for array in inputs]
            out: np.ndarray = request.infer(arrays, share_inputs=True, share_outputs=True)[0].copy()
            return out
        finally:
            requests.put(request)

    return run


def _prepare_conversion() -> None:
    """Convert a number type to NumPy's, on this thread.

    The first conversion of a process loads NumPy's interface into OpenVINO's bindings. Two threads that do this at the
    same time can wait for each other forever: one holds the interpreter's lock and the other the lock of what is loaded
    (seen with OpenVINO 2026.4).
    """
    import openvino

    with _converting:
        openvino.Type.f32.to_dtype()
