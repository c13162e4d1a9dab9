"""Run a checkout of the reference application itself, where `REFERENCE=folder` names one.

The checkout is a project whose package `make_inference` has a command with the option `--input_reference`. It runs in
the environment `.venv` of the checkout, if there is one, or else in ours.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from benchmarks.watch import Usage, run

PACKAGE = "make_inference"
_MODULES = ("app", "main")


def checkout() -> Path | None:
    """Return the folder that `REFERENCE` names, or None.

    Raises:
        SystemExit: it has no such package.
    """
    named = os.environ.get("REFERENCE")
    if not named:
        return None
    folder = Path(named).resolve()
    if not _packages(folder):
        raise SystemExit(
            f"REFERENCE={named}: there is no package {PACKAGE} in it -> name a checkout of the application"
        )
    return folder


def time_application(folder: Path, item: Path, work: Path) -> Usage:
    """Classify a scene with the application, from the shell, in an empty working folder.

    Args:
        folder: the checkout.
        item: path of the scene's item.
        work: working folder; it is removed at the end.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    package = _packages(folder)[0]
    module = next(name for name in _MODULES if (package / f"{name}.py").exists())
    own = folder / ".venv" / "bin" / "python"
    command = [str(own if own.exists() else sys.executable), "-m", f"{PACKAGE}.{module}"]
    usage, _ = run([*command, "--input_reference", str(item)], work, PYTHONPATH=str(package.parent))
    shutil.rmtree(work)
    return usage


def _packages(folder: Path) -> list[Path]:
    found = [path.parent for name in _MODULES for path in folder.glob(f"**/{PACKAGE}/{name}.py")]
    return sorted(path for path in found if not {"site-packages", "build"} & set(path.parts))
