"""The report of a scene: one self-contained HTML file that shows the map (`templates/report.html.j2`)."""

from __future__ import annotations

from dataclasses import dataclass

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.core.stac import SYNTHETIC, is_synthetic
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.overview import Overview
from lc_assets.products.pages import facts as texts
from lc_assets.products.pages.agreement_section import AGREEMENT_HERE
from lc_assets.products.pages.facts import ReportFacts
from lc_assets.products.pages.formats import text
from lc_assets.products.pages.html import data_url, render
from lc_assets.products.pages.layers import Layers, build_layers, confidence_colours
from lc_assets.products.pages.viewer import View, percent_histogram, viewer
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.store.layout import ITEM_FILE
from lc_assets.store.paths import StorePath
from lc_assets.store.product_layout import CATALOG_FILE, MAP_SUFFIX

MAX_BYTES = 3_000_000
"""Limit of the size of a page, in bytes. Every page is smaller."""


@dataclass(frozen=True)
class Report:
    """A finished page, and its pictures."""

    html: bytes
    layers: Layers


@dataclass(frozen=True)
class ReportPlan:
    """The inputs of a page; the I/O manager makes the page when it writes it."""

    raw: RawBands
    classes: ClassMap
    overview: Overview
    facts: ReportFacts

    def page(self) -> Report:
        """See `build_report`."""
        return build_report(self.raw, self.classes, self.overview, self.facts)


@dataclass(frozen=True)
class Page:
    """A written page."""

    path: StorePath


def build_report(raw: RawBands, classes: ClassMap, overview: Overview, facts: ReportFacts) -> Report:
    """Return the page of a scene, smaller than `MAX_BYTES`. It links to the products in the same folder.

    Raises:
        StoreError: a raster cannot be read, or the overview does not fit the class raster.
    """
    page = _page(raw, classes, overview, facts, build_layers(raw, classes, overview))
    if len(page.html) >= MAX_BYTES:  # very long texts leave fewer bytes for the pictures
        excess = len(page.html) - MAX_BYTES + 1
        max_bytes = max(sum(page.layers.sizes.values()) - excess, 100_000)
        page = _page(raw, classes, overview, facts, build_layers(raw, classes, overview, max_bytes=max_bytes))
    return page


def _page(raw: RawBands, classes: ClassMap, overview: Overview, facts: ReportFacts, layers: Layers) -> Report:
    contract = facts.contract
    views = [
        View("colour", "True colour", "The scene in true colour", data_url("image/jpeg", layers.true_colour)),
        View("classes", "Classes", "The scene's land-cover classes", data_url("image/png", layers.classes), "Class"),
        View("infrared", "False colour", "The scene in false colour", data_url("image/jpeg", layers.false_colour)),
        View(
            "confidence",
            "Confidence",
            "The confidence of the model",
            data_url("image/png", layers.confidence),
            "Confidence",
            unit=" %",
            most=100,
            step=layers.confidence_step,
        ),
    ]
    page = render(
        "report.html.j2",
        place=texts.place_of(raw),
        day=texts.day_of(raw),
        years=texts.years_of(raw),
        synthetic=SYNTHETIC if is_synthetic(raw.scene.properties) else "",
        summary=texts.summary(classes.pixels, classes.grid.pixel_area),
        map=classes,
        layers=layers,
        **viewer(views, layers.grid, classes.grid),
        pixels=classes.pixels,
        shares=[classes.share(c.code) for c in ALL_CLASSES],
        pixel_area=classes.grid.pixel_area,
        no_data_reasons=texts.no_data_reasons(classes),
        confidence=percent_histogram(layers.histogram, "confidence", confidence_colours()),
        scene_rows=texts.scene_rows(raw),
        map_rows=texts.map_rows(classes, contract),
        ground=texts.ground_of_a_class(classes.tags, classes.grid.resolution),
        item=classes.item,
        areas=data_url("text/csv", texts.areas_csv(classes).encode()),
        agreement=AGREEMENT_HERE,
        overview=overview,
        source_item=f"{raw.folder.name}/{ITEM_FILE}",
        stac_item=f"{raw.scene.id}{MAP_SUFFIX}.json",
        stac_catalog=CATALOG_FILE,
        links=texts.links_of(raw),
        model=contract,
        model_rows=texts.model_rows(contract, facts.model_document),
        limitations=contract.limitations[: texts.MAX_ROWS],
        metric_rows=texts.metric_rows(contract),
        training_data=texts.training_data(contract),
        seconds=texts.seconds_rows(facts.seconds),
        software=texts.software_rows(facts.software),
        made=text(f"Made by lc_assets {facts.software.get('lc_assets', '')} on {texts.moment(facts.created)}."),
    )
    return Report(page.encode(), layers)
