"""Classify a stack by positions of the feature map: each one predicts a cell; pixels interpolate between cells."""
