"""Find the GraphQL queries of Dagster's UI in the JavaScript of its webserver."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import dagster_webserver

_SPREAD = re.compile(r"\.\.\.\s*([A-Z]\w+)")


def query_text(name: str) -> str:
    """Return the text of a query with all fragments that it uses.

    Raises:
        LookupError: this version of the UI has no such query.
    """
    body = _block(rf"\bquery {name}\s*(?:\\n)?\s*[({{]")
    fragments: dict[str, str] = {}
    wanted = _SPREAD.findall(body)
    while wanted:
        fragment = wanted.pop()
        if fragment not in fragments:
            fragments[fragment] = _block(rf"\bfragment {fragment} on ")
            wanted += _SPREAD.findall(fragments[fragment])
    return "\n".join([body, *fragments.values()]).replace("\\n", "\n")


def _block(begin: str) -> str:
    """Return the text from the match of a pattern to the closing brace of its block."""
    text = _scripts()
    match = re.search(begin, text)
    if not match:
        raise LookupError(begin)
    depth = 0
    for brace in re.finditer(r"[{}]", text[match.start() :]):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return text[match.start() : match.start() + brace.end()]
    raise LookupError(begin)


@cache
def _scripts() -> str:
    folder = Path(dagster_webserver.__file__).parent / "webapp" / "build" / "_next"
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.js")))
