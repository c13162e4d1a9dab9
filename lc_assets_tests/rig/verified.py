"""Which of the long rehearsals have passed on the very files that they cover: those need not run again.

`.ci/verified.json` holds, for each rehearsal, the digest of what it covers, as it was when it passed last. Where a file
has changed since, the digest differs and the rehearsal is due. `make drill`, `make test-train` and `make test-rig`
write it when they pass; commit it with the change.

    python -m lc_assets_tests.rig.verified due NAME      # exit status 0 if NAME is due
    python -m lc_assets_tests.rig.verified record NAME   # NAME has passed on the files that are here
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORD = ROOT / ".ci" / "verified.json"

_NETWORK = ("lc_assets/sentinel2", "lc_assets/remote", "lc_assets/store/layout.py")
_RUNS = (
    *("lc_assets/defs", "lc_assets/operations/backfills.py", "lc_assets/operations/discovery.py"),
    *("lc_assets/operations/status.py", "lc_assets/operations/watch.py"),
)
COVERS: dict[str, tuple[str, ...]] = {
    "rig": ("lc_assets_tests/rig", "loopback"),
    "drill": (
        *("lc_assets_tests/rig/drill", "lc_assets_tests/rig/cases.py", "loopback"),
        *(*_NETWORK, *_RUNS, "constraints.txt"),
    ),
    "training": (
        *("lc_assets/training", "lc_assets/inference", "lc_assets/core/landcover.py"),
        *("lc_assets_tests/training", "constraints.txt"),
    ),
}
"""Rehearsal -> the files and folders that it covers."""


def digest(name: str) -> str:
    """SHA-256 over paths and contents of all files that a rehearsal covers.

    Raises:
        FileNotFoundError: a path that it names is not there.
    """
    total = hashlib.sha256()
    for part in COVERS[name]:
        path = ROOT / part
        if not path.exists():
            raise FileNotFoundError(f"{part}, which the rehearsal {name} covers, is not there")
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        for file in sorted(p for p in files if "__pycache__" not in p.parts):
            total.update(f"{file.relative_to(ROOT).as_posix()}\0".encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _recorded() -> dict[str, str]:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def is_due(name: str) -> bool:
    """Whether something that a rehearsal covers has changed since it passed last."""
    return _recorded().get(name) != digest(name)


def record(name: str) -> None:
    """Note that a rehearsal has passed on the files that are here."""
    known = {**_recorded(), name: digest(name)}
    RECORD.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in ("due", "record") or arguments[1] not in COVERS:
        print(f"usage: python -m {__spec__.name} due|record {'|'.join(COVERS)}", file=sys.stderr)
        return 2
    what, name = arguments
    if what == "record":
        record(name)
        return 0
    return 0 if is_due(name) else 1


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
