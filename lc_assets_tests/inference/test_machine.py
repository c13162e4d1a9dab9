"""Inference slots, the number of threads, and whether a process may execute a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from lc_assets.core.cpu import cpu_count
from lc_assets.core.errors import BadModel, LandCoverError
from lc_assets.inference.openvino_runtime import compile_graph
from lc_assets.inference.slots import inference_slot
from lc_assets.operations.identity import CODE_TAG, MODEL_TAG, code_identity, ensure_same_code_and_model

_HOLDER = """
import sys, time
from lc_assets.inference.slots import inference_slot
with inference_slot() as slot:
    print(slot, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def two_slots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LC_ASSETS_INFERENCE_SLOTS", "2")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def test_without_a_limit_no_process_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ASSETS_INFERENCE_SLOTS", raising=False)
    with inference_slot() as one, inference_slot() as two:
        assert (one, two) == (None, None)


def test_a_slot_is_free_again_when_its_process_is_killed(two_slots: None) -> None:
    waited: list[float] = []
    with subprocess.Popen([sys.executable, "-c", _HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        taken = int(holder.stdout.readline())

        def free() -> None:
            waited.append(time.monotonic())
            holder.kill()

        with inference_slot(free) as one:
            assert one == 1 - taken
            assert not waited
            with inference_slot(free) as two:
                assert two == taken
    assert len(waited) == 1


def test_a_folder_of_slots_that_is_a_link_is_refused(two_slots: None, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"lc_assets-slots-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LandCoverError, match="belongs to another user"), inference_slot():
        pass


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "4097", "9999999999999999", "9" * 5000])
def test_a_setting_that_is_not_a_positive_number_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LC_ASSETS_INFERENCE_SLOTS", text)
    monkeypatch.setenv("LC_ASSETS_THREADS", text)
    with pytest.raises(LandCoverError, match="LC_ASSETS_INFERENCE_SLOTS"), inference_slot():
        pass
    with pytest.raises(LandCoverError, match="LC_ASSETS_THREADS") as caught:
        cpu_count()
    assert len(str(caught.value)) < 200


def test_the_number_of_threads_is_the_setting_or_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ASSETS_THREADS", "3")
    assert cpu_count() == 3
    monkeypatch.delenv("LC_ASSETS_THREADS")
    assert cpu_count() >= 1


def test_a_run_for_the_same_code_and_model_or_without_tags_is_executed() -> None:
    ensure_same_code_and_model({}, None, "S2", "raw_bands")
    ensure_same_code_and_model({MODEL_TAG: "m1", CODE_TAG: code_identity()}, "m1", "S2", "raw_bands")


def test_a_run_for_another_model_or_code_is_refused() -> None:
    with pytest.raises(BadModel, match=r"item S2, asset raw_bands: .* model m1, .* has m2 -> "):
        ensure_same_code_and_model({MODEL_TAG: "m1"}, "m2", "S2", "raw_bands")
    with pytest.raises(LandCoverError, match=r"lc_assets 0\.0-x, .* has \S+ -> .*`lc-assets backfill`"):
        ensure_same_code_and_model({CODE_TAG: "0.0-x"}, None, "S2", "raw_bands")


def test_the_first_call_of_a_program_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first calls of two threads can wait for each other forever in OpenVINO, with any two programs."""
    alone, both = threading.Lock(), threading.Barrier(2)
    called: set[int] = set()

    class Request:
        def infer(self, arrays: list[np.ndarray], **_: object) -> list[np.ndarray]:
            if id(self) in called:
                both.wait(10)  # raises if the two later calls are not made at the same time
            else:
                called.add(id(self))
                assert alone.acquire(blocking=False)
                time.sleep(0.02)
                alone.release()
            return arrays

    monkeypatch.setenv("LC_ASSETS_THREADS", "1")  # one request for each program
    monkeypatch.setattr("openvino.CompiledModel.create_infer_request", lambda self: Request())
    given = ov.parameter([1])
    runs = [compile_graph(openvino.Model([given], [given], "same"), "float32") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            list(pool.map(lambda run: run([np.zeros(1, np.float32)]), runs))


def test_openvino_sends_no_usage_statistics() -> None:
    from lc_assets.inference.loading import open_model

    open_model()
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
