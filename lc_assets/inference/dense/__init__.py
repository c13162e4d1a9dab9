"""Dense evaluation of fully convolutional networks: one pass over a block evaluates all overlapping windows."""
