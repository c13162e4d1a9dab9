"""A synthetic Sentinel-2 scene with known classes, for the demo, for tests, and for users without a network."""
