"""How the shipped weights were made: from labelled chips to a model and its contract. Run `lc-assets train
--help`.

Needs PyTorch (`pip install .[train]`) for fitting; everything else of the project does without.
"""
