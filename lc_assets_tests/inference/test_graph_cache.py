"""The graphs of a model are kept for the next process: it computes the same, without Keras. What cannot be trusted is
made again."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lc_assets.core.settings import SHIPPED
from lc_assets.inference import build, graph_cache
from lc_assets.inference.bfloat16_check import WrongBfloat16
from lc_assets.inference.engine import Engine
from lc_assets.inference.loading import open_model, read_contract
from lc_assets.inference.openvino_runtime import has_bfloat16
from lc_assets.inference.synthetic_ground import synthetic_block
from lc_assets_tests.conftest import own_model
from lc_assets_tests.inference.networks import position_model

PRECISIONS = ("float32", "bfloat16") if has_bfloat16() else ("float32",)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, for a process that has loaded no model."""
    monkeypatch.setenv("LC_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_engines", {})
    return tmp_path / "cache" / "models"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that is evaluated densely."""
    return position_model(tmp_path_factory.mktemp("model") / "own")


@pytest.fixture(scope="module")
def entry(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], bytes]:
    """The key and the content of the model's entry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LC_ASSETS_CACHE", str(tmp_path_factory.mktemp("entry")))
        open_model(model, "float32", again=True)
        key = graph_cache.key_of(read_contract(model)[0], "float32")
        return key, graph_cache._path(key).read_bytes()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Engine]:
    """A function that opens a model as a new process does."""

    def as_new_process(item: Path, precision: str = "float32", **options: Any) -> Engine:
        monkeypatch.setattr(build, "_engines", {})
        return open_model(item, precision, **options)

    return as_new_process


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were loaded with Keras."""
    files: list[Path] = []
    load = build.load_keras_model
    monkeypatch.setattr(build, "load_keras_model", lambda path, contract: files.append(path) or load(path, contract))
    return files


def results(engine: Engine) -> list[np.ndarray]:
    """What an engine computes: features of a block, probabilities of positions, and those of chips."""
    contract = engine.contract
    dn, usable = synthetic_block(contract.band_indices, 2, contract.chip_size)
    chips = np.random.default_rng(0).normal(0, 1, (3, contract.chip_size, contract.chip_size, len(contract.bands)))
    found = [engine.probabilities(chips.astype(np.float32))]
    if engine.dense:
        found += [engine.evaluator(engine.dense.geometry.stride).features(dn.copy(), usable, 0)]
        found += [engine.position_evaluator().features(dn, usable, 0)]
    return found


def assert_equal(one: Engine, other: Engine) -> None:
    """Both engines are described alike, and compute the same to the bit."""
    for name in ("precision", "backend", "why_chips", "bfloat16", "warning"):
        assert getattr(one, name) == getattr(other, name)
    for left, right in zip(results(one), results(other), strict=True):
        assert (left == right).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_kept_graphs_compute_the_same_to_the_bit_without_keras(
    cache: Path, opened: Any, loaded: list[Path], precision: str
) -> None:
    first = opened(SHIPPED, precision)
    assert len(loaded) == len(list(cache.iterdir())) == 1
    second = opened(SHIPPED, precision)
    assert len(loaded) == 1
    assert_equal(first, second)


def test_a_model_that_is_not_dense_is_kept_too(cache: Path, opened: Any, loaded: list[Path], tmp_path: Path) -> None:
    item = own_model(tmp_path / "padded", ("B02", "B08"), 10)
    first, second = opened(item), opened(item)
    assert "GlobalAveragePooling2D" in second.why_chips
    assert len(loaded) == 1
    assert_equal(first, second)


def truncated(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:-1])


def empty(entry: Path) -> None:
    entry.write_bytes(b"")


def one_bit_other(entry: Path) -> None:
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 1
    entry.write_bytes(content)


def no_archive_with_its_digest(entry: Path) -> None:
    entry.write_bytes(hashlib.sha256(b"text").hexdigest().encode() + b"text")


def a_link(entry: Path) -> None:
    entry.rename(entry.with_name("elsewhere"))
    entry.symlink_to(entry.with_name("elsewhere"))


@pytest.mark.parametrize("change", [truncated, empty, one_bit_other, no_archive_with_its_digest, a_link])
def test_an_entry_that_cannot_be_trusted_is_not_used(
    cache: Path, entry: tuple[dict[str, str], bytes], change: Callable[[Path], None]
) -> None:
    key, content = entry
    path = graph_cache._path(key)
    path.write_bytes(content)
    assert graph_cache.load(key)
    change(path)
    assert graph_cache.load(key) is None


def a_folder(entry: Path) -> None:
    entry.unlink()
    entry.mkdir()
    (entry / "file").touch()


@pytest.mark.parametrize("change", [truncated, a_folder])
def test_an_entry_that_cannot_be_trusted_is_made_again(
    cache: Path,
    opened: Any,
    loaded: list[Path],
    model: Path,
    entry: tuple[dict[str, str], bytes],
    change: Callable[[Path], None],
) -> None:
    path = graph_cache._path(entry[0])
    path.write_bytes(entry[1])
    change(path)
    first = opened(model)
    assert_equal(opened(model), first)
    assert len(loaded) == 1


def test_another_model_precision_library_code_or_cpu_has_another_entry(
    cache: Path, entry: tuple[dict[str, str], bytes]
) -> None:
    key, content = entry
    for part in ("model", "backend", "precision", "libraries", "code", "cpu"):
        other = {**key, part: "other"}
        assert graph_cache.load(other) is None
        graph_cache._path(other).write_bytes(content)  # the name alone does not make it the entry of this key
        assert graph_cache.load(other) is None


def test_the_key_names_versions_and_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    contract = read_contract()[0]
    key = graph_cache.key_of(contract, "bfloat16")
    assert key == graph_cache.key_of(contract, "bfloat16")
    changed = dataclasses.replace(contract, mean=tuple(value + 1 for value in contract.mean))
    assert graph_cache.key_of(changed, "bfloat16")["model"] != key["model"]
    monkeypatch.setattr(graph_cache, "version", lambda package: "9.9")
    assert graph_cache.key_of(contract, "bfloat16")["libraries"] == "openvino 9.9, keras 9.9"
    (tmp_path / "cpuinfo").write_text("model name\t: Model CPU 9000\nflags\t\t: avx\nbogomips\t: 5.1\n\nflags: none\n")
    monkeypatch.setattr("lc_assets.core.cpu._CPUINFO", tmp_path / "cpuinfo")
    assert graph_cache.key_of(contract, "bfloat16")["cpu"].endswith("] model name Model CPU 9000, flags avx")


def test_an_entry_of_another_user_is_not_used(
    cache: Path, entry: tuple[dict[str, str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, content = entry
    graph_cache._path(key).write_bytes(content)
    assert graph_cache.load(key)
    other = os.getuid() + 1
    monkeypatch.setattr("os.getuid", lambda: other)
    assert graph_cache.load(key) is None


def test_a_cache_that_cannot_be_written_is_no_error(
    cache: Path, opened: Any, loaded: list[Path], model: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert opened(model).dense
    assert opened(model).dense
    assert len(loaded) == 2


def test_only_the_entries_that_were_used_last_are_kept(cache: Path, entry: tuple[dict[str, str], bytes]) -> None:
    key, content = entry
    used = graph_cache._path(key)
    used.write_bytes(content)
    graphs = graph_cache.load(key)
    assert graphs
    for number in range(graph_cache.MAX_ENTRIES + 2):
        graph_cache.save({**key, "code": str(number)}, graphs)
        for age, path in enumerate(sorted(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)):
            os.utime(path, (1e9 - age, 1e9 - age))  # the clock of a file system may be coarse
        assert graph_cache.load(key)
    left = set(cache.iterdir())
    assert len(left) == graph_cache.MAX_ENTRIES
    assert used in left
    assert [path for path in cache.parent.iterdir() if path != cache] == []


def test_who_reads_while_others_write_finds_a_whole_entry(cache: Path, entry: tuple[dict[str, str], bytes]) -> None:
    key, content = entry
    graph_cache._path(key).write_bytes(content)
    graphs = graph_cache.load(key)
    assert graphs
    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(lambda: [graph_cache.save(key, graphs) for _ in range(5)]) for _ in range(2)]
        while not all(writer.done() for writer in writers):
            assert graph_cache.load(key)


def test_a_failed_comparison_or_an_unexpected_error_is_not_kept(
    cache: Path, opened: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(error: Exception) -> Any:
        def raising(*_: Any) -> None:
            raise error

        return raising

    with monkeypatch.context() as patch:
        patch.setattr(build, "has_bfloat16", lambda: True)
        patch.setattr(build, "compare_bfloat16", fail(WrongBfloat16("wrong")))
        assert opened(model, "auto").precision == "float32"
        patch.setattr(build, "check_dense", fail(MemoryError("none left")))
        assert "MemoryError" in opened(model).why_chips
    assert not list(cache.iterdir())
    assert opened(model).why_chips == ""


def test_a_model_is_loaded_and_checked_again_on_request(
    cache: Path, opened: Any, loaded: list[Path], model: Path
) -> None:
    opened(model)
    opened(model, again=True)
    assert len(loaded) == 2
