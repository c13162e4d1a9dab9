"""The Jinja2 environment of the pages, and the Content-Security-Policy that the base template writes."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from jinja2 import UndefinedError

from lc_assets.products.pages.gallery import gallery_page, thumbnail_href
from lc_assets.products.pages.gallery_items import Gallery
from lc_assets.products.pages.html import environment


def test_values_are_escaped_and_a_missing_one_is_an_error() -> None:
    template = environment().from_string('<p title="{{ value }}">{{ value | text }}</p>')
    assert template.render(value='"><b>') == '<p title="&#34;&gt;&lt;b&gt;">&#34;&gt;&lt;b&gt;</p>'
    with pytest.raises(UndefinedError, match="value"):
        template.render()


def test_json_cannot_end_a_script_element() -> None:
    written = environment().from_string("{{ value | tojson }}").render(value={"a": "</script>&"})
    assert written == '{"a":"\\u003c/script\\u003e\\u0026"}'


def test_every_template_compiles() -> None:
    names = [name for name in environment().list_templates() if name.endswith(".html.j2")]
    assert len(names) >= 7
    for name in names:
        environment().get_template(name)


@pytest.mark.parametrize("element", ["style", "script"])
def test_the_policy_names_the_only_style_and_script_by_their_digests(element: str) -> None:
    page = gallery_page(Gallery((), ("waiting",)), "/store", thumbnail_href, linked=True).decode()
    (content,) = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert f"{element}-src 'sha256-{digest}'" in policy[1].split("; ")
    assert policy[1].startswith("default-src 'none'; ")
