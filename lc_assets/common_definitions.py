"""Code location of what concerns the whole and no single scene: the collection over all items, the model's evaluation.
Wired in `lc_assets.definitions`."""

from lc_assets.definitions import build_common_definitions

defs = build_common_definitions()
