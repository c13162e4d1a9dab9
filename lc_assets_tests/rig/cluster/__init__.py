"""Levers that hold the runs of a cluster on loopback, and a close look at what came of them."""
