"""Code location of what concerns the model and no scene: its evaluation. Wired in `lc_assets.definitions`."""

from lc_assets.definitions import build_model_definitions

defs = build_model_definitions()
