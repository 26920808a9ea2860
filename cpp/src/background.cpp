#include "evensky/background.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <string_view>

#include "bin_statistics.hpp"
#include "checks.hpp"
#include "evensky/errors.hpp"
#include "grid_evaluator.hpp"
#include "names.hpp"

namespace evensky {

namespace {

constexpr std::array<std::pair<std::string_view, UndersampleStyle>, 3> undersampleNames{
        {{"THROW_EXCEPTION", THROW_EXCEPTION},
         {"REDUCE_INTERP_ORDER", REDUCE_INTERP_ORDER},
         {"INCREASE_NXNYSAMPLE", INCREASE_NXNYSAMPLE}}};

void checkSamples(int samples, char const* name) {
    if (samples <= 0) throw LengthError(std::string(name) + " = " + std::to_string(samples) + "; it must be > 0");
}

// UNKNOWN is allowed here, as the style may be chosen later.
void checkStyle(Interpolate::Style style) {
    if (style != Interpolate::NUM_STYLES) return;
    throw InvalidParameterError("Interpolation style " + std::to_string(static_cast<int>(style)) +
                                " (NUM_STYLES) does not exist; it is the number of styles");
}

// Largest number of bins along a side: it is an int in controls.
constexpr std::int64_t mostBins = std::numeric_limits<int>::max();

int checkedBins(std::ptrdiff_t count) {
    if (count <= mostBins) return static_cast<int>(count);
    throw InvalidParameterError("The grid has " + std::to_string(count) + " bins along a side; there can be at most " +
                                std::to_string(mostBins));
}

// Begin a grid of bins, with memory for all of them.
void reserve(BinGrid& grid, std::size_t count) {
    grid.edges.reserve(count + 1);
    grid.centers.reserve(count);
    grid.edges.push_back(0);
}

// Append the bin that ends before pixel `end`.
void append(BinGrid& grid, std::int64_t end) {
    auto const start = grid.edges.back();
    grid.edges.push_back(end);
    grid.centers.push_back(static_cast<double>(start) + 0.5 * static_cast<double>(end - start) - 0.5);
}

std::shared_ptr<StatisticsControl> copyOf(std::shared_ptr<StatisticsControl const> const& sctrl) {
    return sctrl ? std::make_shared<StatisticsControl>(*sctrl) : std::make_shared<StatisticsControl>();
}

std::shared_ptr<ApproximateControl> copyOf(std::shared_ptr<ApproximateControl const> const& actrl) {
    return actrl ? std::make_shared<ApproximateControl>(*actrl)
                 : std::make_shared<ApproximateControl>(ApproximateControl::UNKNOWN, 1);
}

}  // namespace

UndersampleStyle stringToUndersampleStyle(std::string const& style) {
    return detail::valueOfName(undersampleNames, style, "undersample style");
}

BackgroundControl::BackgroundControl(Interpolate::Style style, int nxSample, int nySample,
                                     UndersampleStyle undersampleStyle,
                                     std::shared_ptr<StatisticsControl const> const& sctrl, Property prop,
                                     std::shared_ptr<ApproximateControl const> const& actrl)
        : _style(style),
          _nxSample(nxSample),
          _nySample(nySample),
          _undersampleStyle(undersampleStyle),
          _sctrl(copyOf(sctrl)),
          _prop(prop),
          _actrl(copyOf(actrl)) {
    checkStyle(style);
    checkSamples(nxSample, "nxSample");
    checkSamples(nySample, "nySample");
}

BackgroundControl::BackgroundControl(int nxSample, int nySample, StatisticsControl const& sctrl, Property prop)
        : BackgroundControl(Interpolate::AKIMA_SPLINE, nxSample, nySample, THROW_EXCEPTION,
                            std::make_shared<StatisticsControl>(sctrl), prop, nullptr) {}

void BackgroundControl::setInterpStyle(Interpolate::Style style) {
    checkStyle(style);
    _style = style;
}

void BackgroundControl::setNxSample(int nxSample) {
    checkSamples(nxSample, "nxSample");
    _nxSample = nxSample;
}

void BackgroundControl::setNySample(int nySample) {
    checkSamples(nySample, "nySample");
    _nySample = nySample;
}

void BackgroundControl::setStatisticsControl(std::shared_ptr<StatisticsControl const> const& sctrl) {
    _sctrl = copyOf(sctrl);
}

void BackgroundControl::setApproximateControl(std::shared_ptr<ApproximateControl const> const& actrl) {
    _actrl = copyOf(actrl);
}

BinGrid BinGrid::evenly(std::int64_t size, int count) {
    if (count <= 0) throw InvalidParameterError("count = " + std::to_string(count) + " bins; it must be > 0");
    if (count > size) {
        // The upper edge of a bin is that of the bin before it as soon as count / 2 - (i + 1) (count - size) < 0.
        auto const first = size > 0 ? count / 2 / (count - size) : 0;
        throw InvalidParameterError("Image contains no pixels: bin " + std::to_string(first) + " of " +
                                    std::to_string(count) + " over " + std::to_string(size) +
                                    " pixels is empty; use at most " + std::to_string(size) + " bins");
    }
    BinGrid grid;
    reserve(grid, static_cast<std::size_t>(count));
    auto const whole = size / count, rest = size % count;
    for (std::int64_t i = 0; i < count; ++i) {
        // This is ((i + 1) size + count / 2) / count, with the size split so that no product overflows.
        append(grid, std::min((i + 1) * whole + ((i + 1) * rest + count / 2) / count, size));
    }
    return grid;
}

BinGrid BinGrid::steps(std::int64_t size, std::int64_t binSize) {
    if (binSize <= 0) throw InvalidParameterError("binSize = " + std::to_string(binSize) + "; it must be > 0");
    auto const count = size > 0 ? detail::ceilDivide(size, binSize) : 0;
    if (count > mostBins) {
        throw LengthError("Bins of " + std::to_string(binSize) + " pixels over " + std::to_string(size) +
                          " pixels are " + std::to_string(count) + " bins; there can be at most " +
                          std::to_string(mostBins) + ", so use larger ones");
    }
    BinGrid grid;
    reserve(grid, static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
        auto const start = grid.edges.back();
        append(grid, size - start > binSize ? start + binSize : size);
    }
    return grid;
}

std::vector<double> BinGrid::centersFrom(std::int64_t start) const {
    auto result = centers;
    for (auto& center : result) center += static_cast<double>(start);
    return result;
}

void Background::allocate() {
    auto const size = _x.centers.size() * _y.centers.size();
    _values.assign(size, 0.0F);
    _errors.assign(size, 0.0F);
    _masks.assign(size, 0);
}

Background::Background(StoredImage const& image, std::int64_t x0, std::int64_t y0, BackgroundControl const& bctrl,
                       int num_threads)
        : _bbox{x0, y0, image.width(), image.height()}, _bctrl(std::make_shared<BackgroundControl>(bctrl)) {
    detail::checkRepresentable(_bbox);
    auto const& sctrl = *bctrl.getStatisticsControl();
    auto const selection = detail::makeSelection(image, {}, sctrl);
    _x = BinGrid::evenly(image.width(), bctrl.getNxSample());
    _y = BinGrid::evenly(image.height(), bctrl.getNySample());
    allocate();
    auto const format = image.image.format();
    bool const standing = detail::isStanding(image.image);
    auto const planes = standing ? image.transposed() : image;
    auto const& x = standing ? _y : _x;
    auto const& y = standing ? _x : _y;
    auto const bins = detail::inWorkingType(format, [&]<typename T>(T, std::atomic<bool>* rounded) {
        auto const makeSource = [&](Box const& box) {
            return detail::ImageSource<T>(planes.part(box), {}, selection, rounded);
        };
        return detail::binStatistics<T>(x, y, bctrl.getStatisticsProperty(), sctrl, num_threads, makeSource,
                                        isWhole(format));
    });
    for (std::size_t at = 0; at < bins.values.size(); ++at) {
        auto const to = standing ? detail::transposedPlace(at, x.centers.size(), y.centers.size()) : at;
        _values[to] = static_cast<float>(bins.values[at]);
        _errors[to] = static_cast<float>(bins.errors[at]);
    }
}

template <typename T>
Background::Background(MaskedImageView<T const> const& image, std::int64_t x0, std::int64_t y0,
                       BackgroundControl const& bctrl, int num_threads)
        : Background(StoredImage(image), x0, y0, bctrl, num_threads) {}

Background::Background(Box const& imageBBox, MaskedImageView<float const> const& statsImage)
        : Background(imageBBox, statsImage,
                     BackgroundControl(checkedBins(std::max<std::ptrdiff_t>(statsImage.width(), 1)),
                                       checkedBins(std::max<std::ptrdiff_t>(statsImage.height(), 1)))) {}

Background::Background(Box const& imageBBox, MaskedImageView<float const> const& statsImage,
                       BackgroundControl const& bctrl)
        : _bbox(imageBBox), _bctrl(std::make_shared<BackgroundControl>(bctrl)) {
    if (imageBBox.isEmpty() || statsImage.width() <= 0 || statsImage.height() <= 0) {
        throw InvalidParameterError("Image contains no pixels: the image's box is " + imageBBox.toString() +
                                    ", the grid is " + sizeToString(statsImage.image));
    }
    detail::checkRepresentable(imageBBox);
    detail::checkPlaneSize(statsImage.mask, "The mask", statsImage.image, "the grid");
    detail::checkPlaneSize(statsImage.variance, "The variance", statsImage.image, "the grid");
    if (!statsImage.image.exists()) {
        throw InvalidParameterError("The grid is a view without memory; it must have values");
    }
    _x = BinGrid::evenly(imageBBox.width, checkedBins(statsImage.width()));
    _y = BinGrid::evenly(imageBBox.height, checkedBins(statsImage.height()));
    allocate();
    auto const to = this->statsImage();
    for (std::ptrdiff_t j = 0; j < to.height(); ++j) {
        for (std::ptrdiff_t i = 0; i < to.width(); ++i) {
            to.image(i, j) = statsImage.image(i, j);
            if (statsImage.mask.exists()) to.mask(i, j) = statsImage.mask(i, j);
            if (statsImage.variance.exists()) to.variance(i, j) = statsImage.variance(i, j);
        }
    }
}

MaskedImageView<float> Background::statsImage() noexcept {
    auto const nx = static_cast<std::ptrdiff_t>(_x.centers.size());
    auto const ny = static_cast<std::ptrdiff_t>(_y.centers.size());
    return {{_values.data(), nx, ny}, {_masks.data(), nx, ny}, {_errors.data(), nx, ny}};
}

MaskedImageView<float const> Background::statsImage() const noexcept {
    auto const nx = static_cast<std::ptrdiff_t>(_x.centers.size());
    auto const ny = static_cast<std::ptrdiff_t>(_y.centers.size());
    return {{_values.data(), nx, ny}, {_masks.data(), nx, ny}, {_errors.data(), nx, ny}};
}

Background& Background::operator+=(float delta) noexcept {
    for (auto& value : _values) value += delta;
    return *this;
}

Approximate Background::getApproximate(ApproximateControl const& actrl) const {
    // Centres counted from the corner of the box are exact wherever it is.
    Approximate const fit(_x.centers, _y.centers, statsImage(), {0, 0, _bbox.width, _bbox.height}, actrl);
    return {_bbox, actrl, fit.getCoefficients(), fit.getCovariance()};
}

template <typename T>
AsUsed Background::evaluate(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                            UndersampleStyle undersampleStyle, ApproximateControl const& actrl, int num_threads) const {
    detail::checkPart(bbox, _bbox, out);
    if (actrl.getStyle() != ApproximateControl::UNKNOWN) {
        getApproximate(actrl).getImage(out, bbox, -1, -1, num_threads);
        return {};
    }
    GridEvaluator const evaluator(*this, interpStyle, undersampleStyle);
    evaluator.image(bbox, _bbox, out, num_threads);
    return evaluator.asUsed();
}

template <typename T>
AsUsed Background::getImage(ImageView<T> const& out, Box const& bbox, Interpolate::Style interpStyle,
                            UndersampleStyle undersampleStyle, int num_threads) const {
    return evaluate(out, bbox, interpStyle, undersampleStyle, *_bctrl->getApproximateControl(), num_threads);
}

template <typename T>
AsUsed Background::getImage(ImageView<T> const& out, Box const& bbox, BackgroundControl const& bctrl,
                            int num_threads) const {
    return evaluate(out, bbox, bctrl.getInterpStyle(), bctrl.getUndersampleStyle(), *bctrl.getApproximateControl(),
                    num_threads);
}

template <typename T>
AsUsed Background::getImage(ImageView<T> const& out, Box const& bbox, int num_threads) const {
    return getImage(out, bbox, *_bctrl, num_threads);
}

#define EVENSKY_INSTANTIATE(T)                                                                                  \
    template EVENSKY_EXPORT Background::Background(MaskedImageView<T const> const&, std::int64_t, std::int64_t, \
                                                   BackgroundControl const&, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
EVENSKY_INSTANTIATE(std::int16_t)
EVENSKY_INSTANTIATE(std::int32_t)
EVENSKY_INSTANTIATE(std::uint16_t)
EVENSKY_INSTANTIATE(std::uint64_t)
#undef EVENSKY_INSTANTIATE

#define EVENSKY_INSTANTIATE(T)                                                                                     \
    template EVENSKY_EXPORT AsUsed Background::getImage(ImageView<T> const&, Box const&, Interpolate::Style,       \
                                                        UndersampleStyle, int) const;                              \
    template EVENSKY_EXPORT AsUsed Background::getImage(ImageView<T> const&, Box const&, BackgroundControl const&, \
                                                        int) const;                                                \
    template EVENSKY_EXPORT AsUsed Background::getImage(ImageView<T> const&, Box const&, int) const;
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
