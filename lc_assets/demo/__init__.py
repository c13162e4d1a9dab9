"""Synthetic Sentinel-2 scenes with known classes, for the demo, for tests, and for users without a network."""
