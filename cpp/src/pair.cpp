#include "evensky/pair.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>

#include "bin_statistics.hpp"
#include "chebyshev_rows.hpp"
#include "checks.hpp"
#include "compute_statistics.hpp"
#include "evensky/errors.hpp"
#include "grid_evaluator.hpp"
#include "pair_source.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

using detail::ceilDivide;

constexpr std::ptrdiff_t pieceRows = 32;
// Number of rows of the model that are evaluated at a time.
constexpr std::ptrdiff_t modelRows = detail::splines;

// Match of a pair, in the steps of matchBackgrounds.
template <typename T>
class Matcher {
public:
    Matcher(StoredImage const& reference, StoredImage const& science, ImageView<T> const& matched, std::int64_t x0,
            std::int64_t y0, PairOptions const& options, int num_threads)
            : _pair{reference, science, options.referenceBadMask, options.scienceBadMask},
              _matched(matched),
              _bbox{x0, y0, science.width(), science.height()},
              _options(options),
              _sctrl(options.numSigmaClip, options.numIter),
              _num_threads(num_threads) {
        _result.binSize = options.binSize;
        _sctrl.setLeastHalfWidth(options.leastHalfWidth);
    }

    PairResult match() {
        checkArguments();
        measureBins();
        if (_options.usePolynomial) adaptOrder();
        // This precedes all writing: if the planes are files, written pixels must go to the disk, and meanwhile take
        // the place of pixels to be read in memory.
        _result.diffImVar = clippedVariance();
        try {
            fit();
            measureResiduals();
            apply();
        } catch (Error const& error) {
            throw RuntimeError("Background/Approximation failed to interp image " + _options.scienceLabel + ": " +
                               error.what());
        }
        return std::move(_result);
    }

private:
    void checkArguments() const {
        auto const shorter = std::min(_bbox.width, _bbox.height);
        if (_options.binSize <= 0) {
            throw InvalidParameterError("binSize = " + std::to_string(_options.binSize) + "; it must be > 0");
        }
        if (_options.usePolynomial && _options.order < 0) {
            throw InvalidParameterError("order = " + std::to_string(_options.order) + "; it must be >= 0");
        }
        detail::checkUndersampleStyle(_options.undersampleStyle);
        detail::checkGridStatistic(_options.gridStatistic);
        if (_options.usePolynomial) {
            if (_options.binSize > shorter) {
                throw InvalidParameterError(std::to_string(_options.binSize) +
                                            " = config.binSize > shorter dimension = " + std::to_string(shorter));
            }
            auto const points = ceilDivide(shorter, _options.binSize);
            if (_options.order > points - 1) {
                throw InvalidParameterError(std::to_string(_options.order) +
                                            " = config.order > npoints - 1 = " + std::to_string(points - 1));
            }
        }
        auto const& reference = _pair.reference;
        if (reference.width() != _bbox.width || reference.height() != _bbox.height) {
            throw LengthError("Exposures are different dimensions. sci: " + sizeToString(_pair.science.image) +
                              " vs. ref: " + sizeToString(reference.image));
        }
        if (_matched.width() != _bbox.width || _matched.height() != _bbox.height) {
            throw LengthError("The output is " + sizeToString(_matched) + " but the exposures are " +
                              sizeToString(_pair.science.image) + "; they must be equal");
        }
        if (_bbox.isEmpty()) {
            throw InvalidParameterError("Image contains no pixels: its size is " + sizeToString(_pair.science.image));
        }
        if (!reference.image.exists() || !_pair.science.image.exists() || !_matched.exists()) {
            throw InvalidParameterError("An image is a view without memory; reference, science and output need pixels");
        }
        detail::checkRepresentable(_bbox);
        detail::checkCountable(_pair.science.image, "The science exposure");
        auto const checkPlanes = [](StoredImage const& image, std::string const& which) {
            detail::checkPlaneSize(image.mask, "The " + which + "'s mask", image.image, "its image");
            detail::checkPlaneSize(image.variance, "The " + which + "'s variance", image.image, "its image");
            detail::checkFormats(image, "the " + which);
        };
        checkPlanes(reference, "reference");
        checkPlanes(_pair.science, "science exposure");
        detail::checkApart(_matched, "The matched image", reference, "the reference");
        detail::checkApart(_matched, "The matched image", _pair.science, "the science exposure");
        detail::inPairType(reference, _pair.science, []<typename U>(U) {
            if (!std::is_same_v<T, U>) {
                throw InvalidParameterError("The matched image has pixels of another size than the exposures");
            }
        });
    }

    [[nodiscard]] detail::BinStatistics statistics(BinGrid const& x, BinGrid const& y) const {
        return detail::binStatistics<T>(x, y, _options.gridStatistic, _sctrl, _num_threads, [&](Box const& box) {
            return detail::PairSource<T, T, detail::DifferencePixels>(_pair, box);
        });
    }

    // Measure the difference in bins of equal size from the left and bottom edges.
    void measureBins() {
        _stepsX = BinGrid::steps(_bbox.width, _result.binSize);
        _stepsY = BinGrid::steps(_bbox.height, _result.binSize);
        _steps = statistics(_stepsX, _stepsY);
        _result.bins.clear();
        auto const nx = _stepsX.centers.size();
        for (std::size_t j = 0; j < _stepsY.centers.size(); ++j) {
            for (std::size_t i = 0; i < nx; ++i) {
                auto const at = j * nx + i;
                if (_steps.counts[at] < 2) continue;
                // The position is half the sum of a bin's edges, the upper one being the first pixel after the bin.
                _result.bins.push_back({(_stepsX.edges[i] + _stepsX.edges[i + 1]) / 2,
                                        (_stepsY.edges[j] + _stepsY.edges[j + 1]) / 2, _steps.values[at],
                                        _steps.errors[at], _steps.counts[at], detail::nan});
            }
        }
    }

    [[nodiscard]] bool usableErrors() const {
        return std::any_of(_result.bins.begin(), _result.bins.end(),
                           [&](auto const& bin) { return bin.error > _options.gridStdevEpsilon; });
    }

    // Return the number of columns or of rows of bins that have good pixels, the smaller of the two.
    [[nodiscard]] std::int64_t countLines() const {
        std::set<std::int64_t> columns, rows;
        for (auto const& bin : _result.bins) {
            columns.insert(bin.x);
            rows.insert(bin.y);
        }
        return static_cast<std::int64_t>(std::min(columns.size(), rows.size()));
    }

    // Return the numbers of good pixels in each column and in each row.
    [[nodiscard]] std::array<std::vector<std::int64_t>, 2> countGood() const {
        std::vector<std::int64_t> columns(static_cast<std::size_t>(_bbox.width));
        std::vector<std::int64_t> rows(static_cast<std::size_t>(_bbox.height));
        detail::BlockStorage<T> storage;
        std::vector<T> values(static_cast<std::size_t>(_bbox.width));
        for (std::ptrdiff_t y = 0; y < _bbox.height; ++y) {
            if (y % pieceRows == 0) checkInterrupt();
            _pair.differences(0, y, _bbox.width, values.data(), storage);
            for (std::size_t x = 0; x < values.size(); ++x) {
                if (!detail::isFinitePixel(values[x])) continue;
                ++columns[x];
                ++rows[static_cast<std::size_t>(y)];
            }
        }
        return {std::move(columns), std::move(rows)};
    }

    // Return the greatest number of columns of bins (or rows) that can have a bin with at least two good pixels.
    static std::int64_t mostLines(std::vector<std::int64_t> const& good, std::int64_t size) {
        std::int64_t lines = 0;
        auto const width = static_cast<std::int64_t>(good.size());
        for (std::int64_t start = 0; start < width; start += size) {
            auto const from = good.begin() + start;
            lines += static_cast<std::int64_t>(
                    std::accumulate(from, from + std::min(size, width - start), std::int64_t{0}) >= 2);
        }
        return lines;
    }

    // Make the bins smaller, step by step, until enough columns and rows of them have good pixels. Return whether bins
    // of some size do; bins of one pixel have no error, so that the smallest size is 2.
    bool shrinkBins() {
        constexpr std::int64_t smallest = 2;
        auto const before = _result.binSize;
        if (before <= smallest) return false;
        auto const needed = std::int64_t{_options.order} + 1;
        auto const count = countLines();
        // The good pixels extend over about count * binSize pixels. If that is enough, and the fit fails nevertheless,
        // a step is an eighth.
        auto const first = count < needed ? count * before / needed : before - std::max<std::int64_t>(before / 8, 1);
        if (_good[0].empty()) _good = countGood();
        for (auto size = std::clamp(first, smallest, before - 1); size >= smallest; --size) {
            if (mostLines(_good[0], size) < needed || mostLines(_good[1], size) < needed) continue;
            checkInterrupt();
            _result.binSize = size;
            measureBins();
            if (countLines() < needed) continue;
            _result.warnings = {
                    "Decreasing binsize to " + std::to_string(size) + ": bins of " + std::to_string(_options.binSize) +
                    " px have too few columns or rows with good pixels for order " + std::to_string(_options.order)};
            return true;
        }
        return false;
    }

    void adaptOrder() {
        _result.order = _options.order;
        auto const count = countLines();
        if (count == 0) throw InvalidParameterError("No overlap with reference. Nothing to match");
        if (count > _options.order) return;
        std::string const why = "only " + std::to_string(count) + " columns or rows of bins of " +
                                std::to_string(_result.binSize) + " px have good pixels, order " +
                                std::to_string(_options.order) + " needs " + std::to_string(_options.order + 1);
        switch (_options.undersampleStyle) {
            case THROW_EXCEPTION:
                throw InvalidParameterError("Image does not cover enough of ref image for order and binsize: " + why);
            case REDUCE_INTERP_ORDER:
                _result.order = static_cast<int>(count) - 1;
                _result.warnings.push_back("Reducing order to " + std::to_string(_result.order) + ": " + why);
                break;
            case INCREASE_NXNYSAMPLE:
                if (!shrinkBins()) {
                    throw InvalidParameterError("Image does not cover enough of ref image: " + why +
                                                ", and so it is with smaller bins down to 2 px; use a lower order");
                }
                break;
        }
    }

    // Measure how well the data constrain the model.
    void assess(BinGrid const& x, BinGrid const& y, std::vector<std::int64_t> const& counts) {
        auto const nx = x.centers.size(), ny = y.centers.size();
        auto const isGood = [&](std::size_t i, std::size_t j) { return counts[j * nx + i] > 0; };
        // First and last good bin of a row or column; if there is none, the first comes after the last.
        struct Reach {
            std::size_t first = std::numeric_limits<std::size_t>::max(), last = 0, number = 0;
            void add(std::size_t at) {
                first = std::min(first, at);
                last = std::max(last, at);
                ++number;
            }
            [[nodiscard]] bool holds(std::size_t at) const { return first <= at && at <= last; }
        };
        std::vector<Reach> columns(nx), rows(ny);
        std::int64_t pixels = 0;
        std::size_t good = 0;
        for (std::size_t j = 0; j < ny; ++j) {
            for (std::size_t i = 0; i < nx; ++i) {
                if (!isGood(i, j)) continue;
                pixels += counts[j * nx + i];
                ++good;
                rows[j].add(i);
                columns[i].add(j);
            }
        }
        double beyond = 0.0;
        for (std::size_t j = 0; j < ny; ++j) {
            for (std::size_t i = 0; i < nx; ++i) {
                if (rows[j].holds(i) || columns[i].holds(j)) continue;
                beyond += static_cast<double>(x.edges[i + 1] - x.edges[i]) *
                          static_cast<double>(y.edges[j + 1] - y.edges[j]);
            }
        }
        double const area = static_cast<double>(_bbox.width) * static_cast<double>(_bbox.height);
        _result.goodFraction = static_cast<double>(pixels) / area;
        _result.goodBinFraction = static_cast<double>(good) / static_cast<double>(nx * ny);
        _result.extrapolatedFraction = beyond / area;
        if (_options.usePolynomial) {
            _result.reduced = _result.order != _options.order || _result.binSize != _options.binSize;
            return;
        }
        if (_options.interpStyle == Interpolate::UNKNOWN) return;
        // A column uses a simpler style if it has too few good bins, and so do rows if too few columns have any.
        auto const least = static_cast<std::size_t>(lookupMinInterpPoints(_options.interpStyle));
        auto const some = std::count_if(columns.begin(), columns.end(), [](auto const& c) { return c.number > 0; });
        _result.reduced = static_cast<std::size_t>(some) < least ||
                          std::any_of(
                                  columns.begin(), columns.end(),
                                  [&](auto const& column) { return column.number > 0 && column.number < least; });
    }

    // Make the grid of the model: bins spread evenly, which equal the measured bins if the sizes divide.
    [[nodiscard]] std::shared_ptr<Background> makeGrid() {
        auto const x = BinGrid::evenly(_bbox.width, static_cast<int>(ceilDivide(_bbox.width, _result.binSize)));
        auto const y = BinGrid::evenly(_bbox.height, static_cast<int>(ceilDivide(_bbox.height, _result.binSize)));
        bool const same = x.edges == _stepsX.edges && y.edges == _stepsY.edges;
        auto const bins = same ? _steps : statistics(x, y);
        assess(x, y, bins.counts);
        std::vector<float> const values(bins.values.begin(), bins.values.end());
        std::vector<float> const errors(bins.errors.begin(), bins.errors.end());
        auto const nx = static_cast<std::ptrdiff_t>(x.centers.size());
        auto const ny = static_cast<std::ptrdiff_t>(y.centers.size());
        BackgroundControl const control(_options.interpStyle, static_cast<int>(nx), static_cast<int>(ny),
                                        _options.undersampleStyle, std::make_shared<StatisticsControl>(_sctrl),
                                        _options.gridStatistic, nullptr);
        MaskedImageView<float const> const grid({values.data(), nx, ny}, {}, {errors.data(), nx, ny});
        return std::make_shared<Background>(_bbox, grid, control);
    }

    // Fit the series to the bins. If they do not determine its terms, smaller bins may.
    void fitSeries() {
        for (;;) {
            bool const weighting = usableErrors() && _options.approxWeighting;
            ApproximateControl control(ApproximateControl::CHEBYSHEV, _result.order, _result.order, weighting);
            control.setWeightPower(_options.approxWeightPower);
            auto const grid = makeGrid();
            try {
                _result.approximate = std::make_shared<Approximate>(grid->getApproximate(control));
                return;
            } catch (RuntimeError const&) {
                if (_options.undersampleStyle != INCREASE_NXNYSAMPLE || !shrinkBins()) throw;
            }
        }
    }

    void fit() {
        if (_options.usePolynomial) {
            fitSeries();
            _chebyshev.emplace(*_result.approximate, _result.order, _bbox.x0, _bbox.width);
        } else if (_options.interpStyle != Interpolate::UNKNOWN) {
            _result.background = makeGrid();
            _spline = std::make_unique<GridEvaluator>(*_result.background, _options.interpStyle,
                                                      _options.undersampleStyle);
            _result.asUsed = _spline->asUsed();
        } else {
            assess(_stepsX, _stepsY, _steps.counts);
        }
    }

    // Evaluate the model at rows from y and columns from x for all pixels of `out`, rounded as in a model image.
    void model(std::int64_t x, std::int64_t y, ImageView<float> const& out, GridEvaluator::Scratch& scratch) const {
        if (_chebyshev && out.width() == _bbox.width) {
            _chebyshev->rows(_bbox.y0 + y, out);
        } else if (_result.approximate) {
            _result.approximate->getImage(out, Box{_bbox.x0 + x, _bbox.y0 + y, out.width(), out.height()}, -1, -1, 1);
        } else if (_spline) {
            _spline->rows(y, x, out, scratch);
        } else {
            for (std::ptrdiff_t j = 0; j < out.height(); ++j) std::fill_n(out.row(j), out.width(), 0.0F);
        }
    }

    // Write the matched image, and measure its residuals.
    void apply() {
        auto const pieces = ceilDivide(_bbox.height, pieceRows);
        std::vector<detail::Moments> parts(static_cast<std::size_t>(pieces));
        struct State {
            GridEvaluator::Scratch scratch;
            std::vector<float> models;
            std::vector<T> residuals, matched;
            detail::BlockStorage<T> storage;
        };
        auto const width = static_cast<std::size_t>(_bbox.width);
        // Coordinates of this source are pixels of the exposures, regardless of their origin.
        detail::PairSource<T, T, detail::DifferencePixels> const source(_pair, {0, 0, _bbox.width, _bbox.height});
        detail::parallelForWith<State>(pieces, _num_threads, [&](std::ptrdiff_t piece, State& state) {
            state.models.resize(width * modelRows);
            state.residuals.resize(width + static_cast<std::size_t>(detail::slack));
            if (_matched.strideX() != 1) state.matched.resize(width);
            auto& moments = parts[static_cast<std::size_t>(piece)];
            auto const end = std::min(_bbox.height, (piece + 1) * pieceRows);
            for (auto start = piece * pieceRows; start < end; start += modelRows) {
                auto const rows = std::min<std::ptrdiff_t>(modelRows, end - start);
                ImageView<float> const some(state.models.data(), _bbox.width, rows);
                model(0, start, some, state.scratch);
                for (std::ptrdiff_t r = 0; r < rows; ++r) {
                    auto const n = matchRow(start + r, some.row(r), state);
                    auto const next = start + r + 1;
                    auto ahead = next < end ? source.ahead({0, next, _bbox.width, 1}) : detail::Ahead{};
                    moments.merge(rowMoments(moments, state.residuals, n, ahead));
                }
            }
        });
        detail::Moments total;
        for (auto const& part : parts) total.merge(part);
        _result.matchedMSE = detail::meanSquare(total);
    }

    [[nodiscard]] double clippedVariance() const {
        if (!_pair.reference.variance.exists() || !_pair.science.variance.exists()) return detail::nan;
        StatisticsBuilder const builder(MEANCLIP, _sctrl, _num_threads, false);
        Box const all{0, 0, _bbox.width, _bbox.height};
        return builder.compute(detail::PairSource<T, VariancePixel, detail::VariancePixels>(_pair, all)).getValue();
    }

    // Write row y of the matched image, and pack its good residuals.
    template <typename State>
    std::ptrdiff_t matchRow(std::ptrdiff_t y, float const* model, State& state) const {
        auto const rows =
                _pair.template rows<T>(_pair.reference.image, _pair.science.image, 0, y, _bbox.width, 0, state.storage);
        T* const matched = _matched.strideX() == 1 ? &_matched(0, y) : state.matched.data();
        auto const n = detail::kernelsOf<T>().match(rows.reference, rows.science, model, _bbox.width, matched,
                                                    state.residuals.data());
        if (_matched.strideX() != 1) {
            for (std::ptrdiff_t x = 0; x < _bbox.width; ++x) _matched(x, y) = matched[x];
        }
        return n;
    }

    static detail::Moments rowMoments(detail::Moments const& soFar, std::vector<T> const& residuals, std::ptrdiff_t n,
                                      detail::Ahead& ahead) {
        return detail::packedMoments(residuals.data(), n, soFar.n > 0 ? soFar.mean : 0.0, false, ahead);
    }

    // Measure the residuals of the bins. This precedes all writing: it evaluates the model in every row of bins, so a
    // model that fails does so here.
    void measureResiduals() {
        GridEvaluator::Scratch scratch;
        std::vector<float> values(static_cast<std::size_t>(_bbox.width));
        ImageView<float> const row(values.data(), _bbox.width, 1);
        std::int64_t y = 0;
        if (_spline || !_result.bins.empty()) model(0, y, row, scratch);
        for (auto& bin : _result.bins) {
            if (bin.y != y) {
                checkInterrupt();
                y = bin.y;
                model(0, y, row, scratch);
            }
            bin.residual = bin.value - static_cast<double>(values[static_cast<std::size_t>(bin.x)]);
        }
        _result.fitRMS = rootMeanSquare(1.0);
        // The squares of residuals below 1e-145 lose their digits.
        constexpr double least = 0x1p-480, unit = 0x1p-800;
        if (_result.fitRMS < least) _result.fitRMS = unit * rootMeanSquare(1.0 / unit);
    }

    // Return the root mean square of the bins' residuals times `factor`; NaN without a residual.
    [[nodiscard]] double rootMeanSquare(double factor) const {
        double sum = 0.0;
        std::size_t count = 0;
        for (auto const& bin : _result.bins) {
            if (std::isnan(bin.residual)) continue;
            double const residual = factor * bin.residual;
            sum += residual * residual;
            ++count;
        }
        return std::sqrt(sum / static_cast<double>(count));
    }

    detail::Pair<T> _pair;
    ImageView<T> _matched;
    Box _bbox;
    PairOptions const& _options;
    StatisticsControl _sctrl;
    int _num_threads;
    PairResult _result;
    BinGrid _stepsX, _stepsY;
    std::array<std::vector<std::int64_t>, 2> _good;  // numbers of good pixels in each column and row, if needed
    detail::BinStatistics _steps;
    std::unique_ptr<GridEvaluator> _spline;
    std::optional<detail::ChebyshevRows> _chebyshev;
};

}  // namespace

template <typename T>
PairResult matchBackgrounds(StoredImage const& reference, StoredImage const& science, ImageView<T> const& matched,
                            std::int64_t x0, std::int64_t y0, PairOptions const& options, int num_threads) {
    return Matcher<T>(reference, science, matched, x0, y0, options, num_threads).match();
}

template <typename T>
PairResult matchBackgrounds(MaskedImageView<T const> const& reference, MaskedImageView<T const> const& science,
                            ImageView<T> const& matched, std::int64_t x0, std::int64_t y0, PairOptions const& options,
                            int num_threads) {
    return matchBackgrounds<T>(StoredImage(reference), StoredImage(science), matched, x0, y0, options, num_threads);
}

#define EVENSKY_INSTANTIATE(T)                                                                                   \
    template EVENSKY_EXPORT PairResult matchBackgrounds<T>(StoredImage const&, StoredImage const&,               \
                                                           ImageView<T> const&, std::int64_t, std::int64_t,      \
                                                           PairOptions const&, int);                             \
    template EVENSKY_EXPORT PairResult matchBackgrounds<T>(MaskedImageView<T const> const&,                      \
                                                           MaskedImageView<T const> const&, ImageView<T> const&, \
                                                           std::int64_t, std::int64_t, PairOptions const&, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
