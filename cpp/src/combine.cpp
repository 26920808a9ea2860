#include "evensky/combine.hpp"

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "checks.hpp"
#include "evensky/errors.hpp"
#include "quantiles.hpp"
#include "stack_columns.hpp"

namespace evensky {

namespace {

constexpr int mostRounds = 1000;

void check(CombineOptions const& options, std::size_t n) {
    for (double const sigma : {options.sigmaLow, options.sigmaHigh}) {
        if (!(sigma > 0.0)) {
            throw InvalidParameterError("sigma is " + detail::numberToString(sigma) + "; it must be positive");
        }
    }
    if (options.rounds < 1 || options.rounds > mostRounds) {
        throw InvalidParameterError("rounds = " + std::to_string(options.rounds) + "; it must be 1 to " +
                                    std::to_string(mostRounds));
    }
    if (options.byVariance && options.statistic == Statistic::MEDIAN) {
        throw InvalidParameterError("A median has no weights, so it cannot be weighted by 1 / variance");
    }
    auto const checkCount = [n](std::span<double const> numbers, char const* name) {
        if (numbers.empty() || numbers.size() == n + 1) return;
        throw InvalidParameterError("There are " + std::to_string(numbers.size()) + " " + name +
                                    " of the variance for " + std::to_string(n) +
                                    " images; there must be one more than images, or none");
    };
    checkCount(options.varianceFactors, "factors");
    checkCount(options.varianceSoftening, "softenings");
    if (options.byVariance && !options.varianceSoftening.empty()) {
        throw InvalidParameterError("The variance is to be softened, but pixels are weighted by 1 / variance");
    }
    if (options.statistic == Statistic::MEAN && !options.varianceSoftening.empty()) {
        throw InvalidParameterError("The variance of a mean needs no softening; leave varianceSoftening empty");
    }
    for (double const softening : options.varianceSoftening) {
        if (softening >= 0.0) continue;
        throw InvalidParameterError("A softening of the variance is " + detail::numberToString(softening) +
                                    "; it must be 0 or positive, or infinite");
    }
}

template <typename Plane, typename View>
void checkSize(Plane const& plane, View const& image, std::string const& name) {
    if (plane.exists() && (plane.width() != image.width() || plane.height() != image.height())) {
        throw InvalidParameterError(name + " is " + sizeToString(plane) + " but the output is " + sizeToString(image) +
                                    "; they must be equal");
    }
}

template <typename T>
void check(CombineOutput<T> const& out, std::size_t n) {
    detail::checkOutput(out.image);
    checkSize(out.variance, out.image, "The variance of the output");
    checkSize(out.mask, out.image, "The mask of the output");
    checkSize(out.number, out.image, "The number of the output");
    checkSize(out.rejected, out.image, "The rejected number of the output");
    checkSize(out.weight, out.image, "The weight of the output");
    checkSize(out.time, out.image, "The time of the output");
    for (auto const& counts : {out.maskedOf, out.rejectedOf}) {
        if (!counts.empty() && counts.size() != n) {
            throw InvalidParameterError("There are " + std::to_string(counts.size()) + " counts for " +
                                        std::to_string(n) + " images; each needs one, or there must be none");
        }
    }
}

template <typename T>
void check(CombineInput<T> const& input, ImageView<T> const& out, CombineOptions const& options, bool needsVariance,
           std::string const& name) {
    auto const& image = input.planes.image;
    detail::checkPlaneSize(input.planes.mask, "The mask of " + name, image, "the image");
    detail::checkPlaneSize(input.planes.variance, "The variance of " + name, image, "the image");
    if (image.width() != out.width() || image.height() != out.height()) {
        throw InvalidParameterError(name + " is " + sizeToString(image) + " but the output is " + sizeToString(out) +
                                    "; they must be equal");
    }
    if (!image.exists() && image.width() > 0 && image.height() > 0) {
        throw InvalidParameterError("The pixels of " + name + " are a view without memory; they must exist");
    }
    if (needsVariance && !input.planes.variance.exists()) {
        throw InvalidParameterError(
                name + " has no variances, but " +
                (options.byVariance ? "it is to be weighted by them" : "the output has: leave them out there"));
    }
    if (!(input.weight > 0.0 && std::isfinite(input.weight))) {
        throw InvalidParameterError("The weight of " + name + " is " + detail::numberToString(input.weight) +
                                    "; it must be positive and finite");
    }
    if (!(input.time >= 0.0 && std::isfinite(input.time))) {
        throw InvalidParameterError("The time of " + name + " is " + detail::numberToString(input.time) +
                                    "; it must be finite and not negative");
    }
    if (input.weight != 1.0 &&
        (options.byVariance || options.statistic == Statistic::MEDIAN || !options.varianceSoftening.empty())) {
        throw InvalidParameterError("The weight of " + name + " is " + detail::numberToString(input.weight) +
                                    "; it must be 1 for a median, for pixels that are weighted by 1 / variance, and if "
                                    "the variance is softened");
    }
}

// Throw InvalidParameterError if planes of the output have pixels in the same memory, or in that of an input, unless
// they are one of its planes.
template <typename T>
void checkApart(CombineOutput<T> const& out, std::span<CombineInput<T> const> images) {
    auto const eachPlane = [&](auto const& work) {
        work(out.image, "The image of the output");
        work(out.variance, "The variance of the output");
        work(out.mask, "The mask of the output");
        work(out.number, "The number of the output");
        work(out.rejected, "The rejected number of the output");
        work(out.weight, "The weight of the output");
        work(out.time, "The time of the output");
    };
    eachPlane([&](auto const& plane, std::string const& name) {
        if (!plane.exists()) return;
        for (std::size_t i = 0; i < images.size(); ++i) {
            detail::checkApart(plane, name, StoredImage(images[i].planes), "image " + std::to_string(i));
        }
        eachPlane([&](auto const& other, std::string const& otherName) {
            if (otherName != name) detail::checkApart(plane, name, other, otherName, detail::InPlace::REFUSED);
        });
    });
}

detail::ColumnError errorOf(Statistic statistic) {
    return statistic == Statistic::MEDIAN ? detail::ColumnError::MEDIAN : detail::ColumnError::VARIANCES;
}

}  // namespace

template <typename T>
void combine(CombineOutput<T> const& out, std::span<CombineInput<T> const> images, CombineOptions const& options,
             int num_threads) {
    if (images.empty()) throw LengthError("There are 0 images to combine; at least one is needed");
    check(options, images.size());
    check(out, images.size());
    detail::checkThreads(num_threads);
    bool const needsVariance = out.variance.exists() || options.byVariance;
    for (std::size_t i = 0; i < images.size(); ++i) {
        check(images[i], out.image, options, needsVariance, "Image " + std::to_string(i));
    }
    checkApart(out, images);
    if (out.image.width() <= 0 || out.image.height() <= 0) return;

    std::vector<MaskedImageView<T const>> planes;
    std::vector<MaskPixel> badBits;
    std::vector<double> weights, times;
    bool weighted = false;
    for (auto const& image : images) {
        planes.push_back(image.planes);
        badBits.push_back(image.bad);
        weights.push_back(image.weight);
        times.push_back(image.time);
        weighted = weighted || image.weight != 1.0;
    }
    detail::ColumnsTask<T> task;
    task.n = static_cast<std::ptrdiff_t>(images.size());
    task.badBits = badBits.data();
    task.weightsFromVariance = options.byVariance;
    if (weighted) task.imageWeights = weights.data();
    if (out.time.exists()) task.times = times.data();
    if (!options.varianceFactors.empty()) task.varianceFactors = options.varianceFactors.data();
    if (!options.varianceSoftening.empty()) task.varianceSoftening = options.varianceSoftening.data();
    if (options.statistic == Statistic::MEANCLIP) {
        bool const original = options.centre == ClipCentre::NONE && options.scatter == ClipScatter::NONE;
        task.clipping = original ? detail::Clipping::QUARTILES : detail::Clipping::LEFT;
    }
    if (options.centre == ClipCentre::MEAN) task.centre = detail::ColumnCentre::MEAN;
    if (options.scatter == ClipScatter::MAD) task.scatter = detail::ColumnScatter::MAD;
    task.sigmaLow = options.sigmaLow;
    task.sigmaHigh = options.sigmaHigh;
    task.rangeToStdev = detail::iqrangeToStdev;
    task.rounds = options.rounds;
    if (options.statistic == Statistic::MEDIAN) task.value = detail::ColumnValue::MEDIAN;
    if (out.variance.exists()) task.error = errorOf(options.statistic);
    task.orMasks = out.mask.exists();
    detail::ColumnsOutput<T> const output{out.image,  out.variance, out.mask,     out.number,    out.rejected,
                                          out.weight, out.time,     out.maskedOf, out.rejectedOf};
    detail::computeColumns<T>(task, planes, needsVariance, output, num_threads);
}

#define EVENSKY_INSTANTIATE(T)                                                                         \
    template EVENSKY_EXPORT void combine<T>(CombineOutput<T> const&, std::span<CombineInput<T> const>, \
                                            CombineOptions const&, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
