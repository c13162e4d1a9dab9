"""Keep the checked OpenVINO graphs of a model in the user's cache folder.

A process that finds them needs neither Keras nor the checks. What is kept is OpenVINO's IR, not machine code: compiling
it takes a tenth of a second, as long as importing a compiled program.

An entry is one file: the SHA-256 of the rest, then a zip archive with the key, the results of the checks and the
graphs. The key says what the graphs and the checks depend on. A file with another key or digest, or of another user, is
not used. Files are written atomically. Nothing here is an error for the user: without an entry the graphs are made
again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryDirectory
from typing import Any

from lc_assets.core.checksum import sha256_of_tree, sha256_of_values
from lc_assets.core.cpu import cpu_model
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import DenseGraphs
from lc_assets.inference.dense.form import DenseGeometry
from lc_assets.inference.openvino_runtime import cpu_description
from lc_assets.store.atomic import put
from lc_assets.store.paths import remove_tree
from lc_assets.store.scratch import is_own, user_cache_dir

MAX_ENTRIES = 8
"""Entries in the cache folder. Those that were not used for the longest time are removed."""
MAX_BYTES = 1 << 28
"""Largest entry: 256 MB. The shipped model has 1 MB."""
_DIGEST = 64
"""Characters of a digest in hex."""


@dataclass(frozen=True)
class ModelGraphs:
    """A model as OpenVINO graphs, with the results of its checks.

    Attributes:
        chips: `openvino.Model` for `BATCH` chips.
        dense: the graphs of its dense evaluation; None if it is evaluated chip by chip.
        why_chips: reason why it cannot be evaluated densely; empty if it can.
        bfloat16: result of the comparison of bfloat16 with float32, in words; empty for float32.
        unexpected: whether `why_chips` is an error that was not expected, which another process may not meet.
    """

    chips: Any
    dense: DenseGraphs | None = None
    why_chips: str = ""
    bfloat16: str = ""
    unexpected: bool = False


def key_of(contract: ModelContract, precision: str) -> dict[str, str]:
    """Return what the graphs of a model and their checks depend on: model, precision, libraries, code and CPU."""
    return {
        "model": f"{contract.sha256} {contract.fingerprint}",
        "backend": "openvino",
        "precision": precision,
        "libraries": ", ".join(map(_installed, ("openvino", "keras"))),
        "code": sha256_of_tree(Path(__file__).parent, "*.py"),
        "cpu": f"{cpu_description()} {cpu_model()}",
    }


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def load(key: Mapping[str, str]) -> ModelGraphs | None:
    """Return the graphs that were kept with this key, or None if there are none that can be trusted."""
    try:
        path = _path(key)
        status = path.lstat()
        if not is_own(status) or not S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        graphs = _unpacked(path.read_bytes(), key)
        os.utime(path)  # the entries that were used last are kept
    except Exception:  # any error: the file may have any content, and OpenVINO raises what it likes
        return None
    return graphs


def save(key: Mapping[str, str], graphs: ModelGraphs) -> None:
    """Keep the graphs of a model, if possible, and remove the oldest entries."""
    with suppress(Exception):  # a folder that cannot be written, a full disk, a graph that OpenVINO does not write
        path, content = _path(key), _packed(graphs, key)
        if len(content) > MAX_BYTES:
            return
        if path.is_dir():
            remove_tree(path)  # a file cannot replace a folder
        put(path, content, item="", asset="")
        entries = sorted(path.parent.glob("*.graphs"), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in entries[MAX_ENTRIES:]:
            remove_tree(entry)


def _path(key: Mapping[str, str]) -> Path:
    return user_cache_dir("models") / f"{sha256_of_values(key)[:32]}.graphs"


def _packed(graphs: ModelGraphs, key: Mapping[str, str]) -> bytes:
    import openvino

    dense = graphs.dense
    models = {"chips": graphs.chips, **({"backbone": dense.backbone, "head": dense.head} if dense else {})}
    entry = {
        "key": dict(key),
        "geometry": asdict(dense.geometry) if dense else None,
        "why_chips": graphs.why_chips,
        "bfloat16": graphs.bfloat16,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, TemporaryDirectory() as folder:
        archive.writestr("entry.json", json.dumps(entry))
        for name, model in models.items():
            xml, weights = Path(folder, f"{name}.xml"), Path(folder, f"{name}.bin")
            openvino.serialize(model, xml, weights)
            archive.write(xml, xml.name)
            archive.write(weights, weights.name)
    body = file.getvalue()
    return hashlib.sha256(body).hexdigest().encode() + body


def _unpacked(content: bytes, key: Mapping[str, str]) -> ModelGraphs | None:
    import openvino

    digest, body = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        entry = json.loads(archive.read("entry.json"))
        if entry["key"] != key:
            return None

        def model(name: str) -> Any:
            return openvino.Core().read_model(archive.read(f"{name}.xml"), archive.read(f"{name}.bin"))

        chips = model("chips")
        if not entry["geometry"]:
            return ModelGraphs(chips, None, entry["why_chips"], entry["bfloat16"])
        dense = DenseGraphs(DenseGeometry(**entry["geometry"]), model("backbone"), model("head"))
    return ModelGraphs(chips, dense, entry["why_chips"], entry["bfloat16"])
