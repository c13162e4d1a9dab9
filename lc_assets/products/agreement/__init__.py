"""Agreement of a class map with a reference map. Dagster's asset `reference_agreement` shows the results.

The modules find the reference map, map its legend to ours (crosswalk), resample it to the scene's grid, estimate the
agreement (Olofsson et al. 2014), and draw pictures. Agreement is not accuracy: a reference map has its own errors.
"""
