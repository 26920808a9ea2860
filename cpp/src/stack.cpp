#include "evensky/stack.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include "compute_statistics.hpp"
#include "stack_columns.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

// Properties for which clipping is reported in the mask.
constexpr int reportsClipping = detail::clipFlags & ~NCLIPPED;

// Properties that do not depend on weights.
constexpr int unweighted = propertiesOf(PropertyGroup::ORDER) | detail::deviationFlags;

// Number of pixels of all images that are gathered at once: their planes fit into the second cache level.
constexpr std::ptrdiff_t tilePixels = 16384;
// Largest number of neighbouring columns that are gathered at once.
constexpr std::ptrdiff_t tileColumns = 256;

enum class Weighting {
    NONE,      // all pixels count the same
    IMAGES,    // one weight for each image
    ROUNDED,   // 1 / variance of the pixel, rounded to float32
    VARIANCES  // 1 / variance of the pixel, in float64
};

// Pixels of some columns of a stack, column by column, and the working memory of their statistics.
template <typename T>
struct Tile {
    std::vector<T> values;
    std::vector<MaskPixel> masks;
    std::vector<VariancePixel> variances;
    std::vector<WeightPixel> weights;
    bool infiniteWeights = false;  // whether a weight is beyond the range of float32; then variances are gathered
    StatisticsBuilder::Workspace<T> workspace;
};

// Result for one column.
struct ColumnResult {
    double value;
    double error;
    MaskPixel mask;
};

Property oneProperty(int flags) {
    int const asked = flags & ~ERRORS;
    if (std::popcount(static_cast<unsigned>(asked)) == 1 && (asked & allProperties) != 0 && asked != ORMASK) {
        return static_cast<Property>(asked);
    }
    std::string names;
    for (auto const& row : propertyTable) {
        if ((asked & row.property) != 0) names += (names.empty() ? "" : " | ") + std::string(row.name);
    }
    throw InvalidParameterError("Statistics flags of a stack are " + std::to_string(flags) + " (" +
                                (names.empty() ? "NOTHING" : names) +
                                "); they must be exactly one property, and not ORMASK");
}

// Return the options for the columns: weights are decided here, and errors are computed only if they are kept.
StatisticsControl columnControl(StatisticsControl const& sctrl, bool weighted, bool withErrors) {
    auto control = sctrl;
    control.setWeighted(weighted);
    if (!withErrors) {
        control.setCalcErrorFromInputVariance(false);
        control.setCalcErrorMosaicMode(false);
    }
    bool higherIsSet = false;
    for (int bit = 31; bit >= 0; --bit) {
        if (control.getMaskPropagationThresholds()[static_cast<std::size_t>(bit)]) {
            higherIsSet = true;
        } else if (higherIsSet) {
            control.setMaskPropagationThreshold(bit, control.getMaskPropagationThreshold(bit));
        }
    }
    return control;
}

void checkErrorModes(StatisticsControl const& sctrl) { StatisticsBuilder const checked(NPOINT, sctrl, 1, false); }

// Statistics of the columns of a stack.
template <typename T>
class Stack {
public:
    Stack(std::span<MaskedImageView<T const> const> images, Property property, StatisticsControl const& sctrl,
          Weighting weighting, std::span<WeightPixel const> imageWeights, StackBits const* bits, bool withErrors)
            : _images(images),
              _property(property),
              _control(columnControl(sctrl, weighting != Weighting::NONE, withErrors)),
              _weighting(weighting),
              _imageWeights(imageWeights),
              _bits(bits),
              _builder(property | ERRORS | ((property & reportsClipping) != 0 ? NCLIPPED : NOTHING), _control, 1,
                       bits != nullptr),
              _selection(detail::makeSelection<T>(images.front(), {}, _control)) {
        for (auto const& image : images) {
            _masked = _masked || image.mask.exists();
            _withVariances = _withVariances || image.variance.exists();
        }
        _withVariances = _withVariances && (_selection.wantVariance || weighting == Weighting::VARIANCES);
    }
    // The builder refers to the control.
    Stack(Stack const&) = delete;
    Stack& operator=(Stack const&) = delete;

    void writeTo(MaskedImageView<T> const& out, int num_threads) const {
        if constexpr (std::is_same_v<T, float>) {
            if (isFast(out)) {
                writeFastTo(out, num_threads);
                return;
            }
        }
        auto const columns = std::clamp<std::ptrdiff_t>(tilePixels / numImages(), 1, tileColumns);
        auto const tilesPerRow = detail::ceilDivide(out.width(), columns);
        detail::parallelForWith<Tile<T>>(out.height() * tilesPerRow, num_threads, [&](std::ptrdiff_t i, Tile<T>& tile) {
            auto const x0 = i % tilesPerRow * columns;
            Box const part{x0, i / tilesPerRow, std::min(columns, out.width() - x0), 1};
            gather(part, tile);
            for (std::ptrdiff_t k = 0; k < part.width; ++k) {
                auto const result = columnResult(tile, k);
                auto const x = x0 + k, y = part.y0;
                out.image(x, y) = static_cast<T>(result.value);
                if (out.mask.exists()) out.mask(x, y) = result.mask;
                if (out.variance.exists()) {
                    out.variance(x, y) = static_cast<VariancePixel>(static_cast<T>(result.error * result.error));
                }
            }
        });
    }

private:
    // Properties that the kernels compute.
    static constexpr int fastProperties = MEAN | MEDIAN | MEANCLIP | VARIANCE | STDEV | VARIANCECLIP | STDEVCLIP;
    // More rounds of clipping may repeat themselves, which the kernels do not notice.
    static constexpr int mostFastRounds = 100;

    // Return whether the kernels can compute the results.
    [[nodiscard]] bool isFast(MaskedImageView<T> const& out) const {
        if ((_property & fastProperties) == 0 || !_selection.nanSafe || _selection.tallyRejected ||
            _weighting == Weighting::VARIANCES || _control.getNumIter() > mostFastRounds) {
            return false;
        }
        // Lines of one image may be many, and the result narrow.
        if (_bits == nullptr && out.width() < detail::ColumnsTask<T>::maxLanes) return false;
        for (auto const& image : _images) {
            if ((_withVariances || _weighting == Weighting::ROUNDED) && !image.variance.exists()) return false;
        }
        return true;
    }

    void writeFastTo(MaskedImageView<T> const& out, int num_threads) const {
        detail::ColumnsTask<T> task;
        task.n = numImages();
        std::vector<MaskPixel> const badBits(_images.size(), _control.getAndMask());
        task.badBits = badBits.data();
        task.weightsFromVariance = _weighting == Weighting::ROUNDED;
        std::vector<double> const weights(_imageWeights.begin(), _imageWeights.end());
        if (_weighting == Weighting::IMAGES) task.imageWeights = weights.data();
        for (double const weight : weights) task.negativeWeights = task.negativeWeights || weight < 0.0;
        task.orderAll = true;
        if ((_property & detail::clipFlags) != 0) task.clipping = detail::Clipping::QUARTILES;
        task.sigmaLow = task.sigmaHigh = _control.getNumSigmaClip();
        task.rangeToStdev = detail::iqrangeToStdev;
        task.leastHalfWidth = _control.getLeastHalfWidth();
        task.rounds = _control.getNumIter();
        task.value = fastValue();
        if (out.variance.exists()) task.error = fastError();
        task.noGoodBits = _control.getNoGoodPixelsMask();
        std::vector<MaskPixel> from, to;
        if (_bits != nullptr) {
            task.orMasks = task.orOfAllGood = true;
            if ((_property & reportsClipping) != 0) task.clippedBits = _bits->clipped;
            for (auto const& [one, other] : _bits->maskMap) {
                from.push_back(one);
                to.push_back(other);
            }
            task.mapFrom = from.data();
            task.mapTo = to.data();
            task.maps = static_cast<std::ptrdiff_t>(from.size());
        }
        detail::ColumnsOutput<T> output;
        output.image = out.image;
        output.mask = out.mask;
        output.variance = out.variance;
        detail::computeColumns(task, _images, _withVariances || task.weightsFromVariance, output, num_threads);
    }
    [[nodiscard]] detail::ColumnValue fastValue() const {
        switch (_property) {
            case MEDIAN: return detail::ColumnValue::MEDIAN;
            case VARIANCE:
            case VARIANCECLIP: return detail::ColumnValue::VARIANCE;
            case STDEV:
            case STDEVCLIP: return detail::ColumnValue::STDEV;
            default: return detail::ColumnValue::MEAN;
        }
    }
    [[nodiscard]] detail::ColumnError fastError() const {
        if (_property != MEAN && _property != MEANCLIP) return detail::ColumnError::SAMPLE;
        return _control.getCalcErrorFromInputVariance() ? detail::ColumnError::VARIANCES
               : _control.getCalcErrorMosaicMode()      ? detail::ColumnError::MOSAIC
                                                        : detail::ColumnError::SAMPLE;
    }

    [[nodiscard]] std::ptrdiff_t numImages() const noexcept { return static_cast<std::ptrdiff_t>(_images.size()); }

    // Store a plane of all images column by column; images without it have `missing`.
    template <typename Pixel, typename Plane>
    void gatherPlane(Plane MaskedImageView<T const>::* plane, Box const& part, Pixel missing,
                     std::vector<Pixel>& to) const {
        auto const n = _images.size();
        to.resize(n * static_cast<std::size_t>(part.width));
        for (std::size_t i = 0; i < n; ++i) {
            auto const& view = _images[i].*plane;
            for (std::ptrdiff_t k = 0; k < part.width; ++k) {
                to[static_cast<std::size_t>(k) * n + i] = view.exists() ? view(part.x0 + k, part.y0) : missing;
            }
        }
    }

    void gatherVariances(Box const& part, Tile<T>& tile) const {
        gatherPlane(&MaskedImageView<T const>::variance, part, static_cast<VariancePixel>(detail::nan), tile.variances);
    }

    void gather(Box const& part, Tile<T>& tile) const {
        gatherPlane(&MaskedImageView<T const>::image, part, T{}, tile.values);
        if (_masked) gatherPlane(&MaskedImageView<T const>::mask, part, MaskPixel{}, tile.masks);
        if (_withVariances) gatherVariances(part, tile);
        if (_weighting == Weighting::ROUNDED) {
            gatherPlane(&MaskedImageView<T const>::variance, part, static_cast<VariancePixel>(detail::nan),
                        tile.weights);
            tile.infiniteWeights = false;
            for (auto& weight : tile.weights) {
                // The condition is false for NaN. A weight of noWeight leaves a pixel out.
                weight = weight > 0.0F ? 1.0F / weight : static_cast<WeightPixel>(detail::noWeight);
                tile.infiniteWeights = tile.infiniteWeights || weight == std::numeric_limits<WeightPixel>::infinity();
            }
            if (tile.infiniteWeights && !_withVariances) gatherVariances(part, tile);
        }
    }

    template <typename Pixel>
    [[nodiscard]] ImageView<Pixel const> column(std::vector<Pixel> const& plane, std::ptrdiff_t k) const noexcept {
        return {plane.data() + k * numImages(), numImages(), 1};
    }

    [[nodiscard]] static bool isInfinite(ImageView<WeightPixel const> const& weights) noexcept {
        for (std::ptrdiff_t i = 0; i < weights.width(); ++i) {
            if (weights(i, 0) == std::numeric_limits<WeightPixel>::infinity()) return true;
        }
        return false;
    }

    [[nodiscard]] ColumnResult columnResult(Tile<T>& tile, std::ptrdiff_t k) const {
        MaskedImageView<T const> pixels(column(tile.values, k));
        ImageView<WeightPixel const> weights;
        if (_masked) pixels.mask = column(tile.masks, k);
        if (_withVariances) pixels.variance = column(tile.variances, k);
        if (_weighting == Weighting::IMAGES) weights = {_imageWeights.data(), numImages(), 1};
        if (_weighting == Weighting::ROUNDED) {
            // Without weights, makeStatistics computes them from the variances, in float64.
            if (tile.infiniteWeights) pixels.variance = column(tile.variances, k);
            if (!tile.infiniteWeights || !isInfinite(column(tile.weights, k))) weights = column(tile.weights, k);
        }
        auto const statistics = _builder.compute(detail::ImageSource<T>(pixels, weights, _selection), tile.workspace);
        auto const numGood = statistics.getNumGood();
        auto [value, error] = statistics.getResult(_property);
        // Order statistics do not need weights, but pixels that are left out for want of one do not count.
        if (numGood == 0 && (_property & unweighted) != 0) value = detail::nan;
        return {value, error, maskOf(statistics, pixels.mask)};
    }

    [[nodiscard]] MaskPixel maskOf(Statistics const& statistics, ImageView<MaskPixel const> const& masks) const {
        auto const numGood = statistics.getNumGood();
        if (_bits == nullptr) return numGood == 0 ? _control.getNoGoodPixelsMask() : 0;
        auto mask = numGood == 0 ? _control.getNoGoodPixelsMask() : statistics.getOrMask();
        if (numGood > 0 && (_property & reportsClipping) != 0 && statistics.getValue(NCLIPPED) > 0.0) {
            mask |= _bits->clipped;
        }
        if (numGood < numImages() && masks.exists() && !_bits->maskMap.empty()) {
            MaskPixel all = 0;
            for (std::ptrdiff_t i = 0; i < numImages(); ++i) all |= masks(i, 0);
            for (auto const& [from, to] : _bits->maskMap) mask |= (all & from) != 0 ? to : 0;
        }
        return mask;
    }

    std::span<MaskedImageView<T const> const> _images;
    Property _property;
    StatisticsControl _control;
    Weighting _weighting;
    std::span<WeightPixel const> _imageWeights;
    StackBits const* _bits;  // null if the masks of the pixels are not combined
    StatisticsBuilder _builder;
    detail::Selection _selection;
    bool _masked = false;
    bool _withVariances = false;  // statistics need the variance of each pixel
};

template <typename T>
void checkImage(MaskedImageView<T const> const& image, std::string const& name) {
    detail::checkPlaneSize(image.mask, "The mask of " + name, image.image, "the image");
    detail::checkPlaneSize(image.variance, "The variance of " + name, image.image, "the image");
    detail::checkCountable(image.image, name);
    if (!image.image.exists() && image.width() > 0 && image.height() > 0) {
        throw InvalidParameterError("The pixels of " + name + " are a view without memory; they must exist");
    }
}

template <typename T>
void checkOutput(MaskedImageView<T> const& out, std::ptrdiff_t width, std::ptrdiff_t height, std::string const& name) {
    detail::checkPlaneSize(out.mask, "The mask of the output", out.image, "its image");
    detail::checkPlaneSize(out.variance, "The variance of the output", out.image, "its image");
    if (out.width() != width || out.height() != height) {
        throw InvalidParameterError(name + " is " + std::to_string(width) + " x " + std::to_string(height) +
                                    " but the output is " + sizeToString(out) + "; they must be equal");
    }
    detail::checkOutput(out.image);
}

}  // namespace

StackBits StackBits::excusing(MaskPixel clipped, MaskPixel excuse, MaskPixel andMask) {
    return {clipped, {{andMask & ~excuse, clipped}}};
}

template <typename T>
void statisticsStack(MaskedImageView<T> const& out, std::span<MaskedImageView<T const> const> images, int property,
                     StatisticsControl const& sctrl, std::span<WeightPixel const> weights, StackBits const& bits,
                     int num_threads) {
    if (images.empty()) throw LengthError("There are 0 images to stack; at least one is needed");
    if (!weights.empty() && weights.size() != images.size()) {
        throw InvalidParameterError("There are " + std::to_string(weights.size()) + " weights for " +
                                    std::to_string(images.size()) + " images; each needs one");
    }
    auto const one = oneProperty(property);
    checkErrorModes(sctrl);
    detail::checkThreads(num_threads);
    for (std::size_t i = 0; i < images.size(); ++i) {
        auto const name = "Image " + std::to_string(i);
        checkOutput(out, images[i].width(), images[i].height(), name);
        checkImage(images[i], name);
        detail::checkApart(out, images[i], "image " + std::to_string(i));
    }
    detail::checkPlanesApart(out);
    if (out.width() <= 0 || out.height() <= 0) return;
    auto const weighting = !weights.empty()      ? Weighting::IMAGES
                           : sctrl.getWeighted() ? Weighting::ROUNDED
                                                 : Weighting::NONE;
    Stack<T> const stack(images, one, sctrl, weighting, weights, &bits, out.variance.exists());
    stack.writeTo(out, num_threads);
}

template <typename T>
void statisticsStack(MaskedImageView<T> const& out, MaskedImageView<T const> const& image, int property, StackAxis axis,
                     StatisticsControl const& sctrl, int num_threads) {
    auto const one = oneProperty(property);
    checkErrorModes(sctrl);
    detail::checkThreads(num_threads);
    checkImage(image, "the image");
    if (image.width() <= 0 || image.height() <= 0) {
        throw InvalidParameterError("Image contains no pixels: its size is " + sizeToString(image));
    }
    bool const alongX = axis == StackAxis::X;
    checkOutput(out, alongX ? 1 : image.width(), alongX ? image.height() : 1, "The line of results");
    detail::checkApart(out, image, "the input", detail::InPlace::REFUSED);
    detail::checkPlanesApart(out);
    // Rows and columns are combined as if each column or row of the image were an image of its own.
    std::vector<MaskedImageView<T const>> lines;
    auto const count = alongX ? image.width() : image.height();
    lines.reserve(static_cast<std::size_t>(count));
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        auto const line = alongX ? Box{i, 0, 1, image.height()} : Box{0, i, image.width(), 1};
        lines.emplace_back(image.image.subview(line), image.mask.subview(line), image.variance.subview(line));
    }
    auto const weighting = sctrl.getWeighted() ? Weighting::VARIANCES : Weighting::NONE;
    Stack<T> const stack(lines, one, sctrl, weighting, {}, nullptr, out.variance.exists());
    stack.writeTo(out, num_threads);
}

#define EVENSKY_INSTANTIATE(T)                                                                                       \
    template EVENSKY_EXPORT void statisticsStack<T>(                                                                 \
            MaskedImageView<T> const&, std::span<MaskedImageView<T const> const>, int, StatisticsControl const&,     \
            std::span<WeightPixel const>, StackBits const&, int);                                                    \
    template EVENSKY_EXPORT void statisticsStack<T>(MaskedImageView<T> const&, MaskedImageView<T const> const&, int, \
                                                    StackAxis, StatisticsControl const&, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
