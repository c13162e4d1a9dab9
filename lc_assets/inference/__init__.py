"""From chips to class probabilities: the model's contract, the engine that runs it, the sliding window."""

from lc_assets.inference.chips import classify_chips

__all__ = ["classify_chips"]
