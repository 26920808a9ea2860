"""``evensky.compat.astropy.stats``: sigma clipping by the names of ``astropy.stats``."""
