"""The names of ESA's products, and the items that catalogs make of them.

A product is named `S2A_MSIL2A_<datatake>_N0511_R141_T13TDE_<generation>.SAFE`. The Planetary Computer leaves out the
baseline (`_N0511`), the Copernicus Data Space only `.SAFE`. Earth Search has ids of its own, and the product's name in
`s2:product_uri`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

_NAME = re.compile(
    r"(?P<satellite>S2[A-Z])_MSI(?P<level>L1C|L2A)_(?P<datatake>\d{8}T\d{6})(?:_N(?P<baseline>\d\d\.?\d\d))?"
    r"_(?P<orbit>R\d{3})_T(?P<tile>\d{2}[A-Z]{3})_(?P<generation>\d{8}T\d{6})(?:\.SAFE)?(?:\.ZIP)?"
)


@dataclass(frozen=True)
class Product:
    """An ESA product, as its name describes it. The texts are in the form that names have.

    Attributes:
        satellite: `S2A`, `S2B`, ...
        level: `L1C` or `L2A`.
        datatake: start of the datatake, `20240821T174911`.
        orbit: relative orbit, `R141`.
        tile: `13TDE`.
        generation: time at which it was made, `20240822T001513`.
        baseline: processing baseline, `0511`; empty where the name has none.
    """

    satellite: str
    level: str
    datatake: str
    orbit: str
    tile: str
    generation: str
    baseline: str = ""

    @property
    def short_name(self) -> str:
        """The name without baseline and `.SAFE`: an id of the Planetary Computer."""
        return f"{self.satellite}_MSI{self.level}_{self.datatake}_{self.orbit}_T{self.tile}_{self.generation}"

    @property
    def full_name(self) -> str:
        """The name without `.SAFE`: an id of the Copernicus Data Space. Without a baseline it is the short name."""
        baseline = f"_N{self.baseline}" if self.baseline else ""
        return self.short_name.replace(f"_{self.orbit}_", f"{baseline}_{self.orbit}_")

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that catalogs give the product's item by its name, the most usual first."""
        return tuple(dict.fromkeys((self.short_name, self.full_name)))

    @property
    def day(self) -> date:
        """Day of the datatake.

        Raises:
            ValueError: the name has an impossible date.
        """
        return datetime.strptime(self.datatake[:8], "%Y%m%d").date()

    def is_same(self, other: Product) -> bool:
        """True when both names mean the same product; a missing baseline fits every other."""
        baselines = {self.baseline, other.baseline} - {""}
        return self.short_name == other.short_name and len(baselines) < 2

    def is_same_acquisition(self, other: Product) -> bool:
        """True when both were made of the same tile and datatake, whatever their levels and versions."""
        return (self.satellite, self.tile, self.datatake) == (other.satellite, other.tile, other.datatake)


def product_named(text: str) -> Product | None:
    """Return the product that a text names, with or without baseline and `.SAFE`, or None."""
    match = _NAME.fullmatch(text.upper())
    if not match:
        return None
    parts = match.groupdict("")
    parts["baseline"] = parts["baseline"].replace(".", "")
    return Product(**parts)


def properties_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the properties of an item; empty if it has none, or they are not an object."""
    properties = document.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def product_of(document: Mapping[str, Any]) -> Product | None:
    """Return the product that an item was made from, by `s2:product_uri` or its id; None where neither is a name."""
    texts = (properties_of(document).get("s2:product_uri"), document.get("id"))
    named = (product_named(text[:200]) for text in texts if isinstance(text, str))
    return next((product for product in named if product), None)
