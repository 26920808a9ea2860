#include "evensky/clipped_stats.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "checks.hpp"
#include "compute_statistics.hpp"
#include "evensky/background_mesh.hpp"
#include "evensky/errors.hpp"
#include "level_finder.hpp"
#include "moments.hpp"
#include "pixel_source.hpp"
#include "quantiles.hpp"
#include "scan.hpp"
#include "stack_columns.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

using detail::Moments;

void check(ClippedStatsOptions const& options) {
    for (double const sigma : {options.sigmaLower, options.sigmaUpper}) {
        if (!(sigma > 0.0)) {
            throw InvalidParameterError("sigma is " + detail::numberToString(sigma) + "; it must be positive");
        }
    }
    if (options.maxiters < 0) {
        throw InvalidParameterError("maxiters = " + std::to_string(options.maxiters) +
                                    "; it must be at least 0, which clips until nothing changes");
    }
    if (options.cenfunc == ClipCentre::NONE || options.stdfunc == ClipScatter::NONE) {
        throw InvalidParameterError("cenfunc and stdfunc must not be NONE");
    }
    if (!std::isfinite(options.stdDdof)) {
        throw InvalidParameterError("std_ddof is " + detail::numberToString(options.stdDdof) + "; it must be finite");
    }
}

int roundsOf(ClippedStatsOptions const& options) {
    return options.maxiters == 0 ? std::numeric_limits<int>::max() : options.maxiters;
}

// Return the window of a round.
template <typename T>
detail::KeptRange<T> windowOf(double centre, double scatter, ClippedStatsOptions const& options) {
    return detail::windowAbout<T>(centre, scatter, options.sigmaLower, options.sigmaUpper);
}

ClippedStats statsOf(Moments const& moments, double median, std::int64_t numGood, ClippedStatsOptions const& options) {
    if (moments.n == 0) return {detail::nan, detail::nan, detail::nan, 0, numGood};
    return {moments.mean, median, moments.stdev(options.stdDdof), moments.n, numGood - moments.n};
}

// Return the moments of packed finite pixels.
template <typename T>
Moments momentsOfPacked(T const* values, std::ptrdiff_t n) {
    Moments total;
    detail::Ahead nothing;
    for (std::ptrdiff_t from = 0; from < n; from += detail::blockPixels) {
        auto const count = std::min(detail::blockPixels, n - from);
        double const guess = total.n > 0 ? total.mean : static_cast<double>(values[from + count / 2]);
        total.merge(detail::packedMoments(values + from, count, guess, true, nothing));
    }
    return total;
}

// Clipping of packed finite pixels.
template <typename T>
class PackedClipping {
public:
    // Clip n pixels, behind which there must be memory for detail::slack more. If `returns`, rejected pixels within the
    // last window return. `each`, if not null, receives all rounds.
    ClippedStats clip(T const* values, std::ptrdiff_t n, ClippedStatsOptions const& options, bool returns,
                      std::vector<detail::ClipRound<T>>* each = nullptr) {
        MeshOptions clipping;
        clipping.estimator = LevelEstimator::MEDIAN;
        clipping.sigmaLow = options.sigmaLower;
        clipping.sigmaHigh = options.sigmaUpper;
        clipping.rounds = roundsOf(options);
        clipping.centre = options.cenfunc;
        clipping.scatter = options.stdfunc;
        detail::Ahead nothing;
        auto const kept = _finder.clip({values, static_cast<std::size_t>(n)}, clipping, nothing, returns, each);
        return statsOf(kept.moments, kept.median, n, options);
    }

private:
    detail::LevelFinder<T> _finder;
};

// Pack the finite ones among n values, with `step` from one to the next; return their number.
template <typename T>
std::ptrdiff_t packFinite(T const* values, std::ptrdiff_t n, std::ptrdiff_t step, T* out) {
    std::ptrdiff_t kept = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
        T const value = values[i * step];
        out[kept] = value;  // Every value is written but only finite ones are kept, which avoids a branch.
        kept += static_cast<std::ptrdiff_t>(std::abs(value) <= std::numeric_limits<T>::max());
    }
    return kept;
}

detail::Selection selectionOf(MaskPixel bad, bool nanSafe) {
    detail::Selection selection;
    selection.andMask = bad;
    selection.nanSafe = nanSafe;
    return selection;
}

// Clip the good pixels of an image, which are packed in memory.
template <typename T>
ClippedStats clipInMemory(StoredImage const& image, MaskPixel bad, ClippedStatsOptions const& options,
                          std::atomic<bool>* rounded) {
    // Sources of statistics leave out float64 beyond the range of float32, too, so finite pixels are chosen here.
    detail::ImageSource<T> const source(image, {}, selectionOf(bad, false), rounded);
    detail::BufferOf<T> pixels;
    T* const values = pixels.room(static_cast<std::size_t>(source.numPixels() + detail::slack));
    detail::BlockStorage<T> storage;
    std::ptrdiff_t n = 0;
    for (std::ptrdiff_t y = 0; y < image.height(); ++y) {
        auto const more = source.appendRun(0, y, image.width(), values + n, 0, nullptr, storage);
        n += packFinite(values + n, more, 1, values + n);
        checkInterrupt();
    }
    PackedClipping<T> clipping;
    return clipping.clip(values, n, options, false);
}

// Return the number of finite pixels without a bad bit.
template <typename T>
std::int64_t countFinite(StoredImage const& image, MaskPixel bad, int num_threads) {
    detail::ImageSource<T> const source(image, {}, selectionOf(bad, false));
    std::vector<std::int64_t> parts(static_cast<std::size_t>(detail::numGroups(source.numBlocks())));
    std::vector<detail::MaskTally> tallies;
    detail::forEachBlock(source, num_threads, false, &tallies,
                         [&](detail::Block<T> const& block, std::ptrdiff_t group, auto&) {
                             std::int64_t count = 0;
                             for (std::ptrdiff_t i = 0; i < block.size; ++i) {
                                 count += static_cast<std::int64_t>(std::isfinite(block.values[i]));
                             }
                             parts[static_cast<std::size_t>(group)] += count;
                         });
    std::int64_t total = 0;
    for (auto const part : parts) total += part;
    return total;
}

// Clipping of a large image by one pass over its pixels. A sample is clipped first. It gives a core of values that is
// inside the windows of all rounds, and a range of values that holds all medians. The pass sums the core and stores the
// fringe outside it, and the pixels in the range; rounds look at these alone. If the sample was not representative, the
// caller is told, so that results are always exact.
template <typename T>
class ScannedClipping {
public:
    ScannedClipping(detail::ImageSource<T> const& source, ClippedStatsOptions const& options, int num_threads)
            : _source(source), _options(options), _num_threads(num_threads) {}

    // Clip; return nullopt if the sample was not representative or too small.
    std::optional<ClippedStats> clip() {
        if (!plan()) return std::nullopt;
        scan();
        auto const rounds = roundsOf(_options);
        T const* left = _fringe.data();
        auto number = static_cast<std::ptrdiff_t>(_fringe.size()) - detail::slack;
        auto const all = number;
        std::int64_t below = 0;
        detail::KeptRange<T> window;
        auto const& kernel = detail::kernelsOf<T>();
        std::array<detail::BufferOf<T>, 2> buffers;
        auto const room = _fringe.size();
        for (int round = 0; round < rounds; ++round) {
            auto const moments = momentsWith(left, number);
            double centre = moments.mean;
            if (_options.cenfunc == ClipCentre::MEDIAN) {
                auto const median = medianOf(moments.n, below);
                if (!median) return std::nullopt;
                centre = *median;
            }
            window = window.with(windowOf<T>(centre, moments.stdev(0.0), _options));
            if (!(window.low <= _plan.coreLow && window.high >= _plan.coreHigh)) return std::nullopt;
            if (round + 1 == rounds) break;
            auto& next = buffers[static_cast<std::size_t>(round % 2)];
            std::int64_t rejectedBelow = 0;
            auto const kept = kernel.collect(left, number, window.low, window.high, next.room(room), &rejectedBelow);
            if (kept == number) break;
            below += rejectedBelow;
            left = next.data();
            number = kept;
        }
        below = 0;
        auto* const inside = buffers[0].room(room);
        number = kernel.collect(_fringe.data(), all, window.low, window.high, inside, &below);
        auto const moments = momentsWith(inside, number);
        auto const median = medianOf(moments.n, below);
        if (!median) return std::nullopt;
        return statsOf(moments, *median, numGood(), _options);
    }

    // Return the number of good pixels, after clip().
    [[nodiscard]] std::int64_t numGood() const {
        return _core.n + static_cast<std::int64_t>(_fringe.size()) - detail::slack;
    }

private:
    // Clip a sample, and make the plan of the scan from its rounds.
    bool plan() {
        constexpr std::ptrdiff_t fraction = 64, largest = std::ptrdiff_t{1} << 16, run = 16, least = 1024;
        auto const width = _source.width(), total = _source.numPixels(), height = total / width;
        auto const length = std::min(run, width);
        auto const runs = std::min(total / fraction, largest) / length;
        std::vector<T> sample(static_cast<std::size_t>(runs * length + detail::slack));
        detail::BlockStorage<T> storage;
        storage.alone = true;
        std::ptrdiff_t m = 0;
        for (std::ptrdiff_t k = 0; k < runs; ++k) {
            // Steps that never repeat: a sample at equal steps could be taken from the same columns again and again.
            double const turns = 0.6180339887498949 * static_cast<double>(k);
            auto const y = std::min(
                    height - 1, static_cast<std::ptrdiff_t>((static_cast<double>(k) + 0.5) / static_cast<double>(runs) *
                                                            static_cast<double>(height)));
            auto const x =
                    static_cast<std::ptrdiff_t>((turns - std::floor(turns)) * static_cast<double>(width - length + 1));
            m = _source.appendRun(std::min(x, width - length), y, length, sample.data(), m, nullptr, storage);
        }
        if (_source.rounded() || m < least) return false;
        std::vector<detail::ClipRound<T>> rounds;
        PackedClipping<T> clipping;
        auto const result = clipping.clip(sample.data(), m, _options, false, &rounds);
        if (result.number < least) return false;
        // Estimates from n pixels scatter by a few times 1 / sqrt(n) of the scatter. Pixels of one run see the same sky
        // and are not quite independent.
        T coreLow = std::numeric_limits<T>::lowest(), coreHigh = std::numeric_limits<T>::max();
        for (auto const& round : rounds) {
            double const error = 6.0 / std::sqrt(static_cast<double>(round.number)) * round.scatter;
            auto const shrunk = [&](T limit, double sigma, double sign) {
                return static_cast<T>(static_cast<double>(limit) + sign * (1.3 + 0.7 * sigma) * error);
            };
            coreLow = std::max(coreLow, shrunk(round.window.low, _options.sigmaLower, 1.0));
            coreHigh = std::min(coreHigh, shrunk(round.window.high, _options.sigmaUpper, -1.0));
        }
        if (!(coreLow < coreHigh)) return false;
        // The ranges of the medians in the first and in the last round.
        T rangeLow = std::numeric_limits<T>::max(), rangeHigh = std::numeric_limits<T>::lowest();
        auto const widen = [&](detail::KeptRange<T> const& window) {
            std::vector<T> inside(static_cast<std::size_t>(m + detail::slack));
            std::int64_t below = 0;
            auto const n =
                    detail::kernelsOf<T>().collect(sample.data(), m, window.low, window.high, inside.data(), &below);
            auto const margin = static_cast<std::ptrdiff_t>(3.0 * std::sqrt(static_cast<double>(n))) + 2;
            auto const low = std::max<std::ptrdiff_t>(0, n / 2 - margin);
            auto const high = std::min<std::ptrdiff_t>(n - 1, n / 2 + margin);
            std::nth_element(inside.begin(), inside.begin() + low, inside.begin() + n);
            rangeLow = std::min(rangeLow, inside[static_cast<std::size_t>(low)]);
            std::nth_element(inside.begin() + low, inside.begin() + high, inside.begin() + n);
            rangeHigh = std::max(rangeHigh, inside[static_cast<std::size_t>(high)]);
        };
        if (_options.cenfunc == ClipCentre::MEDIAN) widen({});
        widen(rounds.back().window);
        _plan.ranges = 1;
        _plan.fractions[0] = 0.5;
        _plan.low[0] = rangeLow;
        _plan.high[0] = rangeHigh;
        _plan.clip = true;
        _plan.coreLow = coreLow;
        _plan.coreHigh = coreHigh;
        _plan.outerLow = std::numeric_limits<T>::lowest();
        _plan.outerHigh = std::numeric_limits<T>::max();
        _plan.centre = result.mean;
        return true;
    }

    void scan() {
        _parts = std::vector<detail::Scanned<T>>(static_cast<std::size_t>(detail::numGroups(_source.numBlocks())));
        std::vector<detail::MaskTally> tallies;
        detail::forEachBlock(_source, _num_threads, false, &tallies,
                             [&](detail::Block<T> const& block, std::ptrdiff_t group, auto& scratch) {
                                 _parts[static_cast<std::size_t>(group)].add(block, _plan, scratch.aside,
                                                                             scratch.ahead);
                             });
        std::size_t stored = static_cast<std::size_t>(detail::slack);
        for (auto const& part : _parts) stored += static_cast<std::size_t>(part.fringe.size);
        _fringe.reserve(stored);
        for (auto const& part : _parts) {
            _core.merge(part.core);
            _fringe.insert(_fringe.end(), part.fringe.values, part.fringe.values + part.fringe.size);
        }
        _fringe.resize(stored);
    }

    // Return the moments of the core and of some pixels of the fringe.
    Moments momentsWith(T const* pixels, std::ptrdiff_t n) const {
        auto total = _core;
        total.merge(momentsOfPacked(pixels, n));
        return total;
    }

    // Return the median of n pixels within a window, given the number of good pixels below it; nullopt if it is not in
    // the range of the plan.
    std::optional<double> medianOf(std::int64_t n, std::int64_t below) {
        if (n == 0) return detail::nan;
        auto const first = below + (n - 1) / 2, last = below + n / 2;
        auto const found = detail::rankedInRange<T>(_parts, _plan, 0, first, last, false, _finder);
        if (!found) return std::nullopt;
        return detail::between(static_cast<double>((*found)[0].value), static_cast<double>((*found)[1].value),
                               first == last ? 0.0 : 0.5);
    }

    detail::ImageSource<T> const& _source;
    ClippedStatsOptions const& _options;
    int _num_threads;
    detail::ScanPlanOf<T> _plan;
    std::vector<detail::Scanned<T>> _parts;
    Moments _core;
    std::vector<T> _fringe;  // and detail::slack more
    detail::RankFinder<T> _finder;
};

// Check the output of lines of `length` values, which are called `name`.
template <typename T>
void checkLines(ClippedLines const& out, ImageView<T const> const& values, std::ptrdiff_t lines, std::ptrdiff_t length,
                char const* name) {
    auto const n = static_cast<std::size_t>(lines);
    for (auto const size :
         {out.mean.size(), out.median.size(), out.std.size(), out.number.size(), out.rejected.size()}) {
        if (size == n) continue;
        throw InvalidParameterError("The output has " + std::to_string(size) + " elements for " + std::to_string(n) +
                                    " " + name + "s; each needs one");
    }
    if (length > std::numeric_limits<std::int32_t>::max()) {
        throw LengthError("A " + std::string(name) + " has " + std::to_string(length) +
                          " pixels; it can have at most 2^31 - 1");
    }
    if (lines > 0 && length > 0 && !values.exists()) {
        throw InvalidParameterError("The array is a view without memory; it must have pixels");
    }
    auto const memoryOf = [&](auto const& plane) {
        return detail::PlaneMemory(ImageView(plane.data(), static_cast<std::ptrdiff_t>(plane.size()), 1));
    };
    std::array const planes{std::pair(memoryOf(out.mean), "The plane of means"),
                            std::pair(memoryOf(out.median), "The plane of medians"),
                            std::pair(memoryOf(out.std), "The plane of standard deviations"),
                            std::pair(memoryOf(out.number), "The plane of numbers"),
                            std::pair(memoryOf(out.rejected), "The plane of rejected pixels")};
    for (auto plane = planes.begin(); plane != planes.end(); ++plane) {
        detail::checkApart(plane->first, plane->second, values, "the array", detail::InPlace::REFUSED);
        for (auto other = planes.begin(); other != plane; ++other) {
            detail::checkApart(plane->first, plane->second, other->first, other->second, detail::InPlace::REFUSED);
        }
    }
}

// Exchange rows and columns.
template <typename T>
ImageView<T> transposed(ImageView<T> const& view) {
    return {view.data(), view.height(), view.width(), view.strideY(), view.strideX()};
}

void fillWithNaN(ClippedLines const& out) {
    for (auto const& plane : {out.mean, out.median, out.std}) std::fill(plane.begin(), plane.end(), detail::nan);
    for (auto const& plane : {out.number, out.rejected}) std::fill(plane.begin(), plane.end(), 0);
}

}  // namespace

ClippedStats clippedStats(StoredImage const& image, MaskPixel bad, ClippedStatsOptions const& options,
                          int num_threads) {
    check(options);
    detail::checkThreads(num_threads);
    StatisticsControl control;
    control.setAndMask(bad);
    StoredImage const given(image.image, image.mask);
    auto const selection = detail::makeSelection(given, {}, control);
    auto const planes = detail::isStanding(given.image) ? given.transposed() : given;
    auto const format = image.image.format();
    if (format == PixelFormat::UINT64) {
        throw InvalidParameterError("Pixels are of uint64; they must be converted to float64");
    }
    bool const large = image.width() * image.height() > detail::packedPixels;
    return detail::inWorkingType(format, [&]<typename T>(T, std::atomic<bool>* rounded) -> ClippedStats {
        if constexpr (detail::hasKernels<T>) {
            if (large && options.stdfunc == ClipScatter::STDEV) {
                detail::ImageSource<T> const source(planes, {}, selection, rounded);
                ScannedClipping<T> clipping(source, options, num_threads);
                auto const result = clipping.clip();
                if (source.rounded()) return {};
                // A source leaves out float64 beyond the range of float32, which are rare.
                bool const complete = format != PixelFormat::FLOAT64 || !result ||
                                      clipping.numGood() == source.numPixels() ||
                                      clipping.numGood() == countFinite<T>(planes, bad, num_threads);
                if (result && complete) return *result;
            }
            return clipInMemory<T>(planes, bad, options, rounded);
        } else {
            return {};
        }
    });
}

namespace {

// Rows of a tile of columns; those whose pixels do not follow each other are copied.
template <typename T>
class TileOfColumns {
public:
    // Largest number of columns in a tile.
    static std::ptrdiff_t largest(ImageView<T const> const& values) noexcept {
        return values.strideX() == 1 ? 1024 : 64;
    }
    // Return the rows of some columns from x0 on, which stay valid until the next call.
    T const* const* read(ImageView<T const> const& values, std::ptrdiff_t x0, std::ptrdiff_t width) {
        auto const n = values.height();
        bool const direct = values.strideX() == 1;
        constexpr std::ptrdiff_t pad = 16;  // rows that are a power of two apart evict each other
        auto const stride = width + pad;
        T* const copy = direct ? nullptr : _copies.room(static_cast<std::size_t>(n * stride));
        if (!direct && values.strideY() == 1) {
            detail::kernelsOf<T>().transpose(&values(x0, 0), values.strideX(), width, n, copy, stride);
        } else if (!direct) {
            for (std::ptrdiff_t x = 0; x < width; ++x) {
                for (std::ptrdiff_t y = 0; y < n; ++y) copy[y * stride + x] = values(x0 + x, y);
            }
        }
        _rows.resize(static_cast<std::size_t>(n));
        for (std::ptrdiff_t y = 0; y < n; ++y) {
            _rows[static_cast<std::size_t>(y)] = direct ? &values(x0, y) : copy + y * stride;
        }
        return _rows.data();
    }

private:
    std::vector<T const*> _rows;
    detail::BufferOf<T> _copies;
};

// Clip columns side by side, which are sorted.
template <typename T>
void clipSideBySide(ClippedLines const& out, ImageView<T const> const& values, ClippedStatsOptions const& options,
                    int num_threads) {
    auto const n = static_cast<std::size_t>(values.height());
    detail::ColumnsTask<T> common;
    common.n = values.height();
    std::vector<MaskPixel> const badBits(n);
    common.badBits = badBits.data();
    common.clipping = detail::Clipping::LEFT;
    if (options.cenfunc == ClipCentre::MEAN) common.centre = detail::ColumnCentre::MEAN;
    if (options.stdfunc == ClipScatter::MAD) common.scatter = detail::ColumnScatter::MAD;
    common.sigmaLow = options.sigmaLower;
    common.sigmaHigh = options.sigmaUpper;
    common.rounds = roundsOf(options);
    common.ddof = options.stdDdof;
    struct alignas(64) Line {
        double of[8];
    };
    struct Mine {
        TileOfColumns<T> tile;
        std::vector<Line> scratch, blocks;
        std::vector<std::int32_t> good, used;
    };
    auto const tileColumns = TileOfColumns<T>::largest(values);
    auto const tiles = detail::ceilDivide(values.width(), tileColumns);
    detail::parallelForWith<Mine>(tiles, num_threads, [&](std::ptrdiff_t tile, Mine& mine) {
        auto const x0 = tile * tileColumns, width = std::min(tileColumns, values.width() - x0);
        if (mine.scratch.empty()) {
            constexpr auto lanes = static_cast<std::size_t>(detail::ColumnsTask<T>::maxLanes);
            mine.scratch.resize(detail::ColumnsTask<T>::scratchFor(n) / sizeof(Line) + 1);
            mine.blocks.resize(detail::ColumnsTask<T>::blocksFor(n) / sizeof(Line) + 1);
            mine.good.assign(n * lanes, 0);
            mine.used.assign(n * lanes, 0);
        }
        auto task = common;
        auto const at = static_cast<std::size_t>(x0);
        task.values = mine.tile.read(values, x0, width);
        task.leftMean = &out.mean[at];
        task.leftMedian = &out.median[at];
        task.leftStdev = &out.std[at];
        task.number = &out.number[at];
        task.rejected = &out.rejected[at];
        task.good = mine.good.data();
        task.used = mine.used.data();
        task.scratch = mine.scratch.data();
        task.blocks = mine.blocks.data();
        detail::computeColumnsOf(task, width);
    });
}

// Clip rows one after the other, without sorting them.
template <typename T>
void clipOneByOne(ClippedLines const& out, ImageView<T const> const& values, ClippedStatsOptions const& options,
                  int num_threads) {
    struct Mine {
        PackedClipping<T> clipping;
        detail::BufferOf<T> pixels, rows;
    };
    // Rows whose pixels are far apart, but next to those of other rows, are copied together.
    constexpr std::ptrdiff_t pixelsInPiece = std::ptrdiff_t{1} << 15, rowsTogether = 16, mostTogether = 1 << 18;
    bool const standing = values.strideX() != 1 && values.strideY() == 1 && values.width() <= mostTogether;
    auto const rows = standing ? rowsTogether : std::max<std::ptrdiff_t>(1, pixelsInPiece / values.width());
    detail::parallelForWith<Mine>(
            detail::ceilDivide(values.height(), rows), num_threads, [&](std::ptrdiff_t piece, Mine& mine) {
                auto const stride = values.width() + detail::slack;
                T* const pixels = mine.pixels.room(static_cast<std::size_t>(stride));
                auto const start = piece * rows, end = std::min(values.height(), start + rows);
                T* const copies = standing ? mine.rows.room(static_cast<std::size_t>(rows * stride)) : nullptr;
                if (standing) {
                    detail::kernelsOf<T>().transpose(&values(0, start), values.strideX(), values.width(), end - start,
                                                     copies, stride);
                }
                for (auto y = start; y < end; ++y) {
                    auto const n = standing ? packFinite(copies + (y - start) * stride, values.width(), 1, pixels)
                                            : packFinite(values.row(y), values.width(), values.strideX(), pixels);
                    auto const stats = mine.clipping.clip(pixels, n, options, true);
                    auto const at = static_cast<std::size_t>(y);
                    out.mean[at] = stats.mean;
                    out.median[at] = stats.median;
                    out.std[at] = stats.std;
                    out.number[at] = static_cast<std::int32_t>(stats.number);
                    out.rejected[at] = static_cast<std::int32_t>(stats.rejected);
                }
            });
}

// Clip each column of an array.
template <typename T>
void clipLines(ClippedLines const& out, ImageView<T const> const& columns, ClippedStatsOptions const& options,
               int num_threads, char const* name) {
    check(options);
    checkLines(out, columns, columns.width(), columns.height(), name);
    detail::checkThreads(num_threads);
    if (columns.height() <= 0) return fillWithNaN(out);
    // Scans of longer columns take less time than sorts.
    constexpr std::ptrdiff_t longest = 1536;
    if (columns.height() <= longest) return clipSideBySide(out, columns, options, num_threads);
    clipOneByOne(out, transposed(columns), options, num_threads);
}

}  // namespace

template <typename T>
void clippedStatsOfRows(ClippedLines const& out, ImageView<T const> const& values, ClippedStatsOptions const& options,
                        int num_threads) {
    clipLines(out, transposed(values), options, num_threads, "row");
}

template <typename T>
void clippedStatsOfColumns(ClippedLines const& out, ImageView<T const> const& values,
                           ClippedStatsOptions const& options, int num_threads) {
    clipLines(out, values, options, num_threads, "column");
}

#define EVENSKY_INSTANTIATE(T)                                                                            \
    template EVENSKY_EXPORT void clippedStatsOfColumns<T>(ClippedLines const&, ImageView<T const> const&, \
                                                          ClippedStatsOptions const&, int);               \
    template EVENSKY_EXPORT void clippedStatsOfRows<T>(ClippedLines const&, ImageView<T const> const&,    \
                                                       ClippedStatsOptions const&, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
