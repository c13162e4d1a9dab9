"""The Jinja2 environment of the pages. Every value is escaped, and a missing value is an error.

The pages request nothing from a network: style, script and pictures are part of the file, and `base.html.j2` writes a
Content-Security-Policy that forbids everything else.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.core.wording import quantity
from lc_assets.products.pages.formats import hectares, percent, text
from lc_assets.store.layout import ALL_SCENES, PLOTS, ZOOMABLE_MAP


@cache
def environment() -> Environment:
    """Return the environment of the templates in `templates/`.

    Filters: those of `formats`, and `sha256` for the policy. `source(name)` is a style sheet or a script.
    """
    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.filters.update(text=text, percent=percent, hectares=hectares, quantity=quantity, sha256=_sha256)
    made.globals.update(source=_source, ALL_CLASSES=ALL_CLASSES, NO_DATA=NO_DATA)
    made.globals.update(ALL_SCENES=ALL_SCENES, PLOTS=PLOTS, ZOOMABLE_MAP=ZOOMABLE_MAP)
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return made


def render(template: str, **values: Any) -> Markup:
    """Return a template with its values filled in."""
    return Markup(environment().get_template(template).render(values))


def data_url(kind: str, content: bytes) -> str:
    """Return a file of a media type as a `data:` URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _source(name: str) -> Markup:
    """Return the text of a style sheet or script in `templates/`, unescaped."""
    return Markup((files(__package__) / "templates" / name).read_text(encoding="utf-8"))


def _sha256(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
