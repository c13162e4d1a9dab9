"""Fully convolutional networks, evaluated once for all windows that overlap."""
