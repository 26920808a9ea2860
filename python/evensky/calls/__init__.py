"""Functions of `evensky` that measure statistics, model backgrounds and match exposures in one call each.

They use the same core as `evensky.math` and `evensky.tasks`, with the conventions of numpy and astropy: keywords
instead of control objects, and results of the same type as the data.
"""
