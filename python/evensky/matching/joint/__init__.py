"""Joint match of all exposures to each other.

What is measured:

- `grid`: bins that all exposures share, wherever they lie
- `pixel_map`: map between the pixels of an exposure and those of the plane on which exposures are compared
- `transforms`: maps from the common grid to the coordinates of models, and back
- `pixels`: pixels of one exposure, and the step between their values
- `detections`: pixels of sources, which are left out on the sky, and positions of stars
- `sources`: light of sources, which different seeing moves
- `partners`: choice of the pairs to measure
- `differences`: measured differences of pairs, and the noise of exposures
- `closure`: whether the differences of three exposures add up to nothing

What models are made of:

- `terms`: kinds of terms, as a user names them
- `candidates`: candidate models, a smooth part with any further terms
- `basis`: values of smooth terms and drifts, as means over bins and at points
- `planes`: values of terms that images give: templates, detectors, amplifiers
- `models`: the resulting model of an exposure, with its errors

How they are found:

- `network`: terms of all exposures in the bins, weights, residuals, and outlying bins
- `scene`: the mean scene in bins, to which differences of throughput are proportional
- `system`: equations for all models, their solution and covariances
- `elimination`: inverse and covariance of the equations where exposures overlap, by nested dissection
- `evidence`: choice of the candidate that the data of an exposure support, and the error that is due to this choice
- `levels`: levels that can be left unchanged, and the shift of all models to one of them
- `search`: the whole procedure
- `random_numbers`: the random numbers of which all models are made, with their covariance
- `covariance`: covariance of all models against each other, and the variance of their mean in a combined image
- `fits`: its results
- `overlaps`: levels in the overlaps before and after the match
- `astrometry`: shifts between exposures, from the positions of their stars
- `alarms`: flags where models do not fit
- `config`: configuration of the procedure
"""
