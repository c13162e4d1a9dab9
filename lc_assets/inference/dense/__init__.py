"""Dense evaluation of fully convolutional networks: one pass over a block serves all overlapping windows."""
