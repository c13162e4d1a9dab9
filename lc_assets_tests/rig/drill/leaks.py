"""No secret anywhere: every byte that was written is searched for signatures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

MARKS = (b"sig=", b"sig%3D", b"sig%3d")


@dataclass
class Searched:
    """What a search saw, and in which files it found something."""

    files: int = 0
    size: int = 0
    occurrences: int = 0
    found: list[str] = field(default_factory=list)


def search(folder: Path, tokens: list[str]) -> Searched:
    """Look into every file below a folder: for the mark of a signature, for each token, and for its signature alone, as
    it is and as it stands in a URL."""
    secrets = {*MARKS}
    for token in tokens:
        quoted = token.partition("sig=")[2].partition("&")[0]
        secrets |= {text.encode() for text in (token, quoted, parse_qs(token)["sig"][0])}
    searched = Searched()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        searched.files += 1
        searched.size += len(content)
        if times := sum(content.count(secret) for secret in secrets):
            searched.occurrences += times
            searched.found.append(f"{path.relative_to(folder)}")
    return searched
