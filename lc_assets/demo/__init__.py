"""A synthetic Sentinel-2 scene with a known truth, for the demo, for tests, and for users without a network."""
