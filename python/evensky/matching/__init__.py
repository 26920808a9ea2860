"""Joint matching: the algorithm behind `evensky.match_all`.

- `grid`: the bins that all exposures share
- `partners`: selection of the pairs to measure
- `differences`: measured differences of the pairs
- `models`: candidate models and fitted models
- `evidence`: choice of the candidate for one exposure
- `network`: residuals of the differences, and detection of outliers
- `system`: solution for all models at once, with their covariances
- `all_to_all`: the search that combines these steps
"""
