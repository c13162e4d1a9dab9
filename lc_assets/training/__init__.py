"""Make the shipped weights: from labelled chips to a model and its contract. See `lc-assets train --help`.

Fitting needs PyTorch (`pip install .[train]`); the rest of the project does not.
"""
