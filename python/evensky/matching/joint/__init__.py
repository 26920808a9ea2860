"""Joint match of all exposures to each other.

- `grid`: bins that all exposures share, wherever they lie
- `pixels`: pixels of one exposure, and the step between their values
- `sources`: light of sources, which different seeing moves
- `partners`: choice of the pairs to measure
- `differences`: measured differences of pairs
- `closure`: whether the differences of three exposures add up to nothing
- `models`: candidate models, and the resulting model of an exposure
- `evidence`: choice of the candidate that the data of an exposure support
- `network`: residuals of the differences, and outlying bins
- `system`: solution for all models from all differences, with covariances
- `search`: the whole procedure
- `config`: configuration of the procedure
"""
