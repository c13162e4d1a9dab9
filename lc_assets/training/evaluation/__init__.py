"""How good a model is: labelled chips, who may be learnt from and who judges, figures, charts, the model's card.

Nothing here needs more than the default install; fitting is next door, in `lc_assets.training`.
"""
