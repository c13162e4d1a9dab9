"""A synthetic Sentinel-2 scene with a known truth: for the demo, for tests, for anyone without a network."""
