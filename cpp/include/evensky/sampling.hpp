#pragma once

/// @file
/// Images on another pixel grid by their nearest pixels: exposures are compared on a common grid without resampling.

#include <cstdint>

#include "evensky/export.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Map from the pixels of a grid to positions in an image. It is given at nodes, which are every `step`-th column and
/// row of the grid, and is bilinear between them.
struct SamplingMap {
    ImageView<double const> x;  ///< column of the image at each node; pixel centres are at whole numbers
    ImageView<double const> y;  ///< row of the image at each node
    std::int64_t step = 1;      ///< distance from one node to the next, in pixels of the grid
};

/// Write the nearest pixel of an image, times `scale`, to each pixel of a part of a grid.
///
/// The pixel of the grid at (column, row) receives the pixel of the image at floor(x + 0.5), floor(y + 0.5), where x
/// and y are the map at (column, row). It is NaN if that is outside the image, if the mask has a bad bit there, or if
/// the scaled pixel is not finite as a float32. All pixels of a block between nodes are NaN if one of its nodes is not
/// finite; a block includes its first column and row, and not the first of the next block.
///
/// Each pixel depends on its place in the grid alone, so a grid that is sampled in parts is the same as the whole.
/// Safe to call from several threads as long as none writes to the planes. Results are bit-identical for any number of
/// threads.
///
/// @param image  pixels and, if it exists, mask; the variance is not used; T is float or double
/// @param map    positions in the image of the pixels of the grid; its nodes must enclose the part
/// @param scale  factor of the pixels, > 0
/// @param bad_mask  bits of bad pixels
/// @param out    part of the grid; must not share memory with the image or the nodes
/// @param first_column  column of the grid at which `out` begins
/// @param first_row     row of the grid at which `out` begins
/// @param num_threads   number of threads; 0 for the process-wide default
/// @throws LengthError if the mask and the image, or the two planes of the nodes, differ in size, or the image is
///         empty or has 2^31 columns or rows or more
/// @throws InvalidParameterError if `out` reaches beyond the nodes, the step is not from 1 to 2^30, the scale is not a
///         finite number > 0, a view has no memory, or `out` shares it
template <typename T>
EVENSKY_EXPORT void sample_nearest(MaskedImageView<T const> const& image, SamplingMap const& map, double scale,
                                   MaskPixel bad_mask, ImageView<T> const& out, std::int64_t first_column = 0,
                                   std::int64_t first_row = 0, int num_threads = 0);

}  // namespace evensky
