"""Agreement of a class map with a reference: where a reference comes from, how its legend relates to ours, its pixels
on the scene's grid, the figures (Olofsson et al. 2014), pictures. Dagster's asset `reference_agreement` shows them.

Agreement is not accuracy: a reference map has errors of its own.
"""
