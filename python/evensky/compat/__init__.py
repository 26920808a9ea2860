"""Packages with the names of other packages, for scripts that move to evensky by changing an import.

``evensky.compat.photutils`` and ``evensky.compat.astropy`` have the backgrounds and clipped statistics of ``photutils``
and ``astropy``, ``evensky.compat.sep`` has those of ``sep``. They give the results of the originals from the core of
evensky; none of the originals but astropy is needed.
"""
