"""Evaluate a model on labelled chips: metrics, charts, and the model's card. The default install is enough for it."""
