#include "evensky/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "evensky/errors.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

// Side of the tiles in which a grid is walked, in pixels: working memory and the pixels of the image that a tile needs
// fit into the second cache level, however the image is rotated.
constexpr std::int64_t tileSide = 64;
// Number of columns of a tile that are read together, row by row. The pixels of the image for one row are next to those
// for the row before it, which are still in the first cache level; more columns would displace them.
constexpr std::int64_t columnsTogether = 8;
// Largest step, and largest number of columns and rows of an image: positions are computed with 32-bit integers.
constexpr std::int64_t largestStep = 1 << 30;
constexpr std::int64_t largestSide = std::numeric_limits<std::int32_t>::max();

// One coordinate of the map in a block of the grid, which is between four nodes. There are no nodes after the last
// column and row, where a block is only as wide or high as one pixel.
class BlockCoordinate {
public:
    BlockCoordinate(ImageView<double const> const& nodes, std::int64_t column, std::int64_t row, double step) {
        auto const right = std::min(column + 1, nodes.width() - 1), below = std::min(row + 1, nodes.height() - 1);
        _corner = nodes(column, row);
        _down = (nodes(column, below) - _corner) / step;
        _along = (nodes(right, row) - _corner) / step;
        _twist = ((nodes(right, below) - nodes(column, below)) / step - _along) / step;
    }
    // Return the coordinate at the first pixel of a row of the block, and its change from pixel to pixel.
    [[nodiscard]] std::pair<double, double> line(double row) const noexcept {
        return {_corner + row * _down, _along + row * _twist};
    }
    // Return whether all nodes are finite.
    [[nodiscard]] bool isFinite() const noexcept { return std::isfinite(_corner + _down + _along + _twist); }

private:
    double _corner, _down, _along, _twist;
};

// Return a scaled pixel, or NaN if it is bad or not finite as a float32. There is no branch, so that the compiler
// computes several pixels at once.
template <typename T>
T scaled(T pixel, MaskPixel mask, double scale, MaskPixel bad) noexcept {
    auto const value = static_cast<T>(scale * static_cast<double>(pixel));
    bool finite;
    if constexpr (std::is_same_v<T, float>) {
        finite = std::abs(value) <= std::numeric_limits<float>::max();
    } else {
        finite = std::abs(value) < 0x1.ffffffp127;  // Larger numbers are rounded to infinity.
    }
    bool const unmasked = (mask & bad) == 0;
    return (finite & unmasked) ? value : std::numeric_limits<T>::quiet_NaN();
}

// Part of a row of blocks that is within one block.
struct Segment {
    BlockCoordinate x, y;
    std::int32_t first, size;  // columns of the block
};

// Positions of the pixels of a row of a segment, plus one half, which rounds a position when it is truncated.
struct Line {
    double x, dx, y, dy;

    Line(Segment const& segment, double row) {
        std::tie(x, dx) = segment.x.line(row);
        std::tie(y, dy) = segment.y.line(row);
    }
    [[nodiscard]] double xAt(std::int32_t i) const noexcept { return x + static_cast<double>(i) * dx + 0.5; }
    [[nodiscard]] double yAt(std::int32_t i) const noexcept { return y + static_cast<double>(i) * dy + 0.5; }
};

template <typename T>
class Sampler {
public:
    // Working memory of a thread: the pixels of a tile, by rows.
    struct Memory {
        static constexpr std::size_t size = tileSide * tileSide;
        std::vector<Segment> segments;  // of the present row
        // Positions in the image; places in the memory of pixels that are not in the image.
        std::vector<std::int32_t> columns = std::vector<std::int32_t>(size), rows = columns;
        std::vector<std::size_t> outside;
        std::vector<T> pixels = std::vector<T>(size);
        std::vector<MaskPixel> masks = std::vector<MaskPixel>(size);
    };

    Sampler(MaskedImageView<T const> const& image, SamplingMap const& map, double scale, MaskPixel bad)
            : _image(image.image), _mask(image.mask), _map(map), _scale(scale), _bad(bad) {}

    // Sample a tile of the grid into `out`, whose corner is that of the tile.
    void sample(Box const& tile, ImageView<T> const& out, Memory& memory) const {
        memory.outside.clear();
        for (std::int64_t row = 0; row < tile.height; ++row) {
            auto const inGrid = tile.y0 + row;
            auto const inBlock = inGrid % _map.step;
            if (row == 0 || inBlock == 0) cutBlocks(tile.x0, tile.width, inGrid / _map.step, memory.segments);
            auto at = static_cast<std::size_t>(row * tileSide);
            for (auto const& segment : memory.segments) {
                locate(segment, static_cast<double>(inBlock), at, memory);
                at += static_cast<std::size_t>(segment.size);
            }
        }
        gather(_image, memory, memory.pixels.data(), tile.width, tile.height);
        for (auto const k : memory.outside) memory.pixels[k] = std::numeric_limits<T>::quiet_NaN();
        if (_mask.exists()) gather(_mask, memory, memory.masks.data(), tile.width, tile.height);
        for (std::int64_t row = 0; row < tile.height; ++row) {
            auto const* const pixels = memory.pixels.data() + row * tileSide;
            auto const* const masks = memory.masks.data() + row * tileSide;
            if (_mask.exists()) {
                scale(pixels, out, row, [&](std::ptrdiff_t i) { return masks[i]; });
            } else {
                scale(pixels, out, row, [](std::ptrdiff_t) { return MaskPixel{0}; });
            }
        }
    }

private:
    // Cut `width` columns from column x on into those of each block, in one row of blocks.
    void cutBlocks(std::int64_t x, std::int64_t width, std::int64_t row, std::vector<Segment>& segments) const {
        segments.clear();
        auto const step = _map.step;
        for (auto column = x; column < x + width;) {
            auto const next = std::min((column / step + 1) * step, x + width);
            auto const size = static_cast<double>(step);
            segments.push_back({{_map.x, column / step, row, size},
                                {_map.y, column / step, row, size},
                                static_cast<std::int32_t>(column % step),
                                static_cast<std::int32_t>(next - column)});
            column = next;
        }
    }

    // Find the pixels of the image for a row of a segment, whose place in the memory is `at`.
    void locate(Segment const& segment, double row, std::size_t at, Memory& memory) const {
        bool const known = segment.x.isFinite() && segment.y.isFinite();
        Line const line(segment, row);
        auto const first = segment.first, last = segment.first + segment.size - 1;
        auto* const columns = memory.columns.data() + at;
        auto* const rows = memory.rows.data() + at;
        // Rounded positions do not turn back either, so all others are between the first and the last.
        if (known && isInside(line, first) && isInside(line, last)) {
            for (std::int32_t i = 0; i < segment.size; ++i) {
                columns[i] = static_cast<std::int32_t>(line.xAt(first + i));
                rows[i] = static_cast<std::int32_t>(line.yAt(first + i));
            }
            return;
        }
        for (std::int32_t i = 0; i < segment.size; ++i) {
            bool const inside = known && isInside(line, first + i);
            columns[i] = inside ? static_cast<std::int32_t>(line.xAt(first + i)) : 0;
            rows[i] = inside ? static_cast<std::int32_t>(line.yAt(first + i)) : 0;
            if (!inside) memory.outside.push_back(at + static_cast<std::size_t>(i));
        }
    }

    [[nodiscard]] bool isInside(Line const& line, std::int32_t i) const noexcept {
        auto const x = line.xAt(i), y = line.yAt(i);
        return x >= 0.0 && y >= 0.0 && x < static_cast<double>(_image.width()) &&
               y < static_cast<double>(_image.height());
    }

    // Read the pixels of a plane at the positions that are found.
    template <typename U>
    static void gather(ImageView<U const> const& plane, Memory const& memory, U* pixels, std::int64_t width,
                       std::int64_t height) {
        auto const* const columns = memory.columns.data();
        auto const* const rows = memory.rows.data();
        auto const* const data = plane.data();
        auto const strideX = plane.strideX(), strideY = plane.strideY();
        auto const walk = [&](auto const& offset) {
            for (std::int64_t column = 0; column < width; column += columnsTogether) {
                auto const together = std::min(columnsTogether, width - column);
                for (std::int64_t row = 0; row < height; ++row) {
                    auto const first = row * tileSide + column;
                    for (auto k = first; k < first + together; ++k) pixels[k] = data[offset(k)];
                }
            }
        };
        if (strideX == 1) {
            walk([&](std::int64_t k) { return rows[k] * strideY + columns[k]; });
        } else {
            walk([&](std::int64_t k) { return rows[k] * strideY + columns[k] * strideX; });
        }
    }

    // Scale the pixels of a row.
    template <typename MaskAt>
    void scale(T const* pixels, ImageView<T> const& out, std::ptrdiff_t row, MaskAt const& maskAt) const {
        auto const factor = _scale;
        auto const bad = _bad;
        auto const stride = out.strideX();
        T* const to = out.row(row);
        for (std::ptrdiff_t i = 0; i < out.width(); ++i) to[i * stride] = scaled(pixels[i], maskAt(i), factor, bad);
    }

    ImageView<T const> _image;
    ImageView<MaskPixel const> _mask;
    SamplingMap _map;
    double _scale;
    MaskPixel _bad;
};

// Throw InvalidParameterError if `size` columns or rows from `first` on are not between the first and the last node.
void checkEnclosed(std::int64_t first, std::int64_t size, std::int64_t nodes, std::int64_t step, char const* what) {
    auto const fits = first >= 0 && first <= std::numeric_limits<std::int64_t>::max() - size &&
                      (first + size - 1) / step + ((first + size - 1) % step != 0 ? 1 : 0) < nodes;
    if (fits) return;
    throw InvalidParameterError("out has " + std::to_string(size) + " " + what + "s from " + what + " " +
                                std::to_string(first) +
                                " of the grid on; they must be between the first and the last " + what + " of " +
                                std::to_string(nodes) + " nodes, which are " + std::to_string(step) + " pixels apart");
}

}  // namespace

template <typename T>
void sample_nearest(MaskedImageView<T const> const& image, SamplingMap const& map, double scale, MaskPixel bad_mask,
                    ImageView<T> const& out, std::int64_t first_column, std::int64_t first_row, int num_threads) {
    detail::checkThreads(num_threads);
    if (!image.image.exists() || !map.x.exists() || !map.y.exists() || !out.exists()) {
        throw InvalidParameterError(
                "A plane is a view without memory; the image, the nodes and the output need memory");
    }
    detail::checkPlaneSize(image.mask, "The mask", image.image, "the image");
    detail::checkPlaneSize(map.y, "The plane of the nodes' rows", map.x, "that of their columns");
    if (image.width() < 1 || image.height() < 1 || image.width() > largestSide || image.height() > largestSide) {
        throw LengthError("The image is " + sizeToString(image) + "; it must have 1 to " + std::to_string(largestSide) +
                          " columns and rows");
    }
    if (map.step < 1 || map.step > largestStep) {
        throw InvalidParameterError("step = " + std::to_string(map.step) + "; it must be from 1 to " +
                                    std::to_string(largestStep));
    }
    if (!(scale > 0.0) || !std::isfinite(scale)) {
        throw InvalidParameterError("scale = " + detail::numberToString(scale) + "; it must be a finite number > 0");
    }
    if (out.width() <= 0 || out.height() <= 0) return;
    detail::checkCountable(out, "The output");
    detail::checkApart(out, "The output", StoredImage(image), "the input", detail::InPlace::REFUSED);
    detail::checkApart(out, "The output", map.x, "the columns of the nodes", detail::InPlace::REFUSED);
    detail::checkApart(out, "The output", map.y, "the rows of the nodes", detail::InPlace::REFUSED);
    checkEnclosed(first_column, out.width(), map.x.width(), map.step, "column");
    checkEnclosed(first_row, out.height(), map.x.height(), map.step, "row");
    Sampler<T> const sampler(image, map, scale, bad_mask);
    auto const across = detail::ceilDivide(out.width(), tileSide), down = detail::ceilDivide(out.height(), tileSide);
    using Memory = typename Sampler<T>::Memory;
    detail::parallelForWith<Memory>(across * down, num_threads, [&](std::ptrdiff_t tile, Memory& memory) {
        auto const x = tile % across * tileSide, y = tile / across * tileSide;
        auto const width = std::min(tileSide, out.width() - x), height = std::min(tileSide, out.height() - y);
        sampler.sample({first_column + x, first_row + y, width, height}, out.subview({x, y, width, height}), memory);
    });
}

#define EVENSKY_INSTANTIATE(T)                                                                                  \
    template EVENSKY_EXPORT void sample_nearest<T>(MaskedImageView<T const> const&, SamplingMap const&, double, \
                                                   MaskPixel, ImageView<T> const&, std::int64_t, std::int64_t, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
