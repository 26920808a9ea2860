"""Combining exposures to one image: the grid of the result, resampling onto it, and the combine by bands of rows."""
