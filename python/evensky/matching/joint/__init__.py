"""Match all exposures to each other at once.

- `grid`: bins that all exposures share, wherever they lie
- `partners`: choice of the pairs to measure
- `differences`: measured differences of pairs
- `models`: the candidates, and the model of an exposure that results
- `evidence`: choice of the candidate that an exposure needs
- `network`: residuals of the differences, and outlying bins
- `system`: solution for all models from all differences, with covariances
- `search`: the whole procedure
- `config`: its configuration
"""
