"""Classify a stack by the positions of the feature map: each answers for its own cell, and pixels interpolate."""
