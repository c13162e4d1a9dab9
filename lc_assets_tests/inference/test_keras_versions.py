"""A model that the installed Keras cannot load because another version saved it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import keras
import pytest

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import BadModel
from lc_assets.inference.keras_file import saved_version
from lc_assets.inference.loading import open_model
from lc_assets_tests.conftest import own_model


def saved_by(path: Path, version: str | None, *, contract: str = "", layer: str = "FutureDense") -> Path:
    """A model whose file says which Keras saved it and has a layer that the installed one does not know."""
    item = own_model(path, ("B08", "B04", "B02"), 10)
    weights = item.parent / "model.keras"
    with zipfile.ZipFile(weights) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(parts["metadata.json"])
    metadata.pop("keras_version") if version is None else metadata.update(keras_version=version)
    parts["metadata.json"] = json.dumps(metadata).encode()
    parts["config.json"] = parts["config.json"].replace(b'"Dense"', f'"{layer}"'.encode())
    with zipfile.ZipFile(weights, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    document = json.loads(item.read_text())
    document["assets"]["model"]["file:checksum"] = "1220" + sha256_of(weights)
    if contract:
        document["properties"]["mlm:framework_version"] = contract
    item.write_text(json.dumps(document))
    return item


@pytest.mark.parametrize(
    ("version", "contract", "told"),
    [
        ("99.1.0", "", "99.1.0"),
        ("2.15.0", "99.0.0", "2.15.0"),
        (None, "3.0.1", "3.0.1"),
        (keras.__version__, "3.0.1", "3.0.1"),
        ("99\n\x1b[31m", "3.0.1", "3.0.1"),
    ],
)
def test_a_model_saved_by_another_keras_is_one_line_with_both_versions(
    version: str | None, contract: str, told: str, tmp_path: Path
) -> None:
    item = saved_by(tmp_path / "model", version, contract=contract)
    with pytest.raises(BadModel) as caught:
        open_model(item)
    message = str(caught.value)
    assert f"was saved by Keras {told}, and the installed Keras {keras.__version__} cannot load it" in message
    assert f"pip install keras=={told}" in message and "FutureDense" in message
    assert "\n" not in message and "\x1b" not in message


def test_a_model_of_the_installed_version_that_cannot_be_loaded_blames_no_version(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="cannot be loaded as a Keras model"):
        open_model(saved_by(tmp_path / "model", keras.__version__, contract=keras.__version__))


def test_a_model_of_another_version_that_can_be_loaded_is_used(tmp_path: Path) -> None:
    assert open_model(saved_by(tmp_path / "model", "99.1.0", layer="Dense"), "float32").contract.name == "own"


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_broken_file_tells_no_version(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(content)
    assert saved_version(tmp_path / "model.keras") == ""
