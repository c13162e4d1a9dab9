"""Train the shipped model: from labelled chips to weights and a contract. See `lc-assets train --help`.

Only the fit needs PyTorch (`pip install -e '.[train]'`).
"""
