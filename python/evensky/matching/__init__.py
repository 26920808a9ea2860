"""Exposures matched to each other, all at once: `evensky.match_all` and what it is made of.

- `grid`: bins that all exposures share, wherever they lie
- `partners`: which pairs are measured
- `differences`: what is measured of them
- `models`: the candidates, and what a correction is in the end
- `evidence`: which candidate an exposure needs
- `network`: what corrections leave of the differences, and which bins are odd
- `system`: all corrections from all differences, with their covariances
- `all_to_all`: one after the other
"""
