"""The map of an area and a period, fused from the probabilities of several scenes."""
