"""Joint match of all exposures to each other.

- `grid`: bins that all exposures share, wherever they lie
- `partners`: choice of the pairs to measure
- `differences`: measured differences of pairs
- `models`: candidate models, and the resulting model of an exposure
- `evidence`: choice of the candidate that the data of an exposure support
- `network`: residuals of the differences, and outlying bins
- `system`: solution for all models from all differences, with covariances
- `search`: the whole procedure
- `config`: configuration of the procedure
"""
