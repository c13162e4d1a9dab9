"""The first inference of a process may come from two threads at the same time."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import faulthandler, sys, threading
import numpy as np, openvino
from openvino import opset13 as ov
from lc_assets.inference.openvino_runtime import compile_graph

faulthandler.dump_traceback_later(60, exit=True)
pixels = np.ones((1, 12, 8, 8), np.uint16)
given = ov.parameter(pixels.shape, openvino.Type.u16)
graph = openvino.Model([ov.reduce_max(ov.convert(given, "f32"), np.arange(4))], [given], "largest")
run, both = compile_graph(graph, "float32"), threading.Barrier(2)

def work():
    both.wait()
    run([pixels])

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.slow
def test_two_threads_that_infer_first_do_not_wait_for_each_other() -> None:
    """Without `_prepare_conversion` every second process hangs here."""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
