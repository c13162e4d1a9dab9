"""What the pages have in common: their templates, and the policy that forbids them everything that is not their own."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files


@cache
def template(name: str) -> str:
    """The text of a template."""
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def policy(style: str, script: str, images: str = "data:") -> str:
    """A Content-Security-Policy that names the page's one style and one script by their digests.

    Args:
        style, script: the contents of the elements.
        images: where pictures may come from.
    """
    return (
        f"default-src 'none'; img-src {images}; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def data_url(kind: str, content: bytes) -> str:
    """An image as a URL of its own."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
