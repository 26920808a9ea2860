#include "evensky/bin_image.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "checks.hpp"
#include "threads.hpp"

namespace evensky {

namespace {

// Sums of the pixels of one bin.
template <typename T>
struct BinSums {
    using Sum = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
    Sum value = 0;
    double variance = 0.0;
    std::int64_t n = 0;
    MaskPixel mask = 0;

    void add(BinSums const& other) noexcept {
        value += other.value;
        variance += other.variance;
        n += other.n;
        mask |= other.mask;
    }
};

template <typename T>
class Binning {
public:
    Binning(MaskedImageView<T const> const& image, std::optional<BinExclusion> const& exclusion)
            : _image(image), _exclusion(exclusion) {}

    // Return the sums of the pixels of one row of a bin, from left to right. If `Divided`, the pixels are divided by
    // 2^63, so that the sum does not overflow.
    template <bool Divided = false>
    [[nodiscard]] BinSums<T> ofRow(std::ptrdiff_t x0, std::ptrdiff_t y, std::ptrdiff_t binX) const noexcept {
        BinSums<T> sums;
        for (auto x = x0; x < x0 + binX; ++x) {
            auto const value = _image.image(x, y);
            MaskPixel const mask = _image.mask.exists() ? _image.mask(x, y) : 0;
            if (_exclusion && isLeftOut(value, mask)) continue;
            if constexpr (Divided) {
                sums.value += value * static_cast<T>(0x1p-63);
            } else {
                sums.value += value;
            }
            sums.mask |= mask;
            if (_image.variance.exists()) sums.variance += static_cast<double>(_image.variance(x, y));
            ++sums.n;
        }
        return sums;
    }

    // Add the sums of row y of all bins to `sums`. They are those of ofRow; if the pixels of a row follow each other in
    // memory, loops without branches compute them.
    void addRow(std::ptrdiff_t y, std::ptrdiff_t binX, std::vector<BinSums<T>>& sums) const noexcept {
        auto const isDense = [](auto const& plane) { return !plane.exists() || plane.strideX() == 1; };
        if (!isDense(_image.image) || !isDense(_image.mask) || !isDense(_image.variance)) {
            for (std::size_t bin = 0; bin < sums.size(); ++bin) {
                sums[bin].add(ofRow(static_cast<std::ptrdiff_t>(bin) * binX, y, binX));
            }
            return;
        }
        auto const has = [](auto const& plane, auto const& work) {
            plane.exists() ? work(std::true_type()) : work(std::false_type());
        };
        has(_image.mask, [&](auto mask) {
            has(_image.variance, [&](auto variance) {
                if (_exclusion) {
                    addDenseRow<mask.value, variance.value, true>(y, binX, sums);
                } else {
                    addDenseRow<mask.value, variance.value, false>(y, binX, sums);
                }
            });
        });
    }

    // Return the mean of a bin whose sum is beyond the range of float64; NaN and infinite pixels remain what they are.
    [[nodiscard]] T meanOf(Box const& bin) const noexcept {
        BinSums<T> sums;
        for (auto y = bin.y0; y < bin.y0 + bin.height; ++y) sums.add(ofRow<true>(bin.x0, y, bin.width));
        return static_cast<T>(sums.value / static_cast<double>(sums.n) * 0x1p63);
    }

    void write(BinSums<T> const& sums, MaskedImageView<T> const& out, std::ptrdiff_t x, std::ptrdiff_t y) const {
        using Sum = typename BinSums<T>::Sum;
        bool const none = sums.n == 0;
        if constexpr (std::is_integral_v<T>) {
            out.image(x, y) = none ? T{0} : static_cast<T>(sums.value / sums.n);
        } else {
            out.image(x, y) = static_cast<T>(sums.value / static_cast<Sum>(sums.n));  // NaN if there is no pixel
        }
        if (out.mask.exists()) out.mask(x, y) = none ? _exclusion->noPixel : sums.mask;
        if (out.variance.exists()) {
            auto const n = static_cast<double>(sums.n);
            out.variance(x, y) = static_cast<VariancePixel>(sums.variance / (n * n));
        }
    }

private:
    template <bool HasMask, bool HasVariance, bool Excludes>
    void addDenseRow(std::ptrdiff_t y, std::ptrdiff_t binX, std::vector<BinSums<T>>& sums) const noexcept {
        T const* values = &_image.image(0, y);
        MaskPixel const* masks = HasMask ? &_image.mask(0, y) : nullptr;
        VariancePixel const* variances = HasVariance ? &_image.variance(0, y) : nullptr;
        auto const bad = Excludes ? _exclusion->bad : 0;
        for (auto& bin : sums) {
            BinSums<T> here;
            for (std::ptrdiff_t x = 0; x < binX; ++x) {
                auto const value = *values++;
                MaskPixel const mask = HasMask ? *masks++ : 0;
                bool good = true;
                if constexpr (Excludes) good = (mask & bad) == 0;
                if constexpr (Excludes && std::is_floating_point_v<T>) {
                    good = good & (std::abs(value) <= std::numeric_limits<T>::max());
                }
                // Zeros that are added for other pixels do not change the sums.
                here.value += good ? value : T{0};
                here.mask |= good ? mask : 0;
                if constexpr (HasVariance) {
                    auto const variance = static_cast<double>(*variances++);
                    here.variance += good ? variance : 0.0;
                }
                here.n += static_cast<std::int64_t>(good);
            }
            bin.add(here);
        }
    }

    [[nodiscard]] bool isLeftOut(T value, MaskPixel mask) const noexcept {
        if constexpr (std::is_floating_point_v<T>) {
            if (!std::isfinite(value)) return true;
        }
        return (mask & _exclusion->bad) != 0;
    }

    MaskedImageView<T const> const& _image;
    std::optional<BinExclusion> const& _exclusion;
};

}  // namespace

template <typename T>
void binImage(MaskedImageView<T> const& out, MaskedImageView<T const> const& image, std::ptrdiff_t binX,
              std::ptrdiff_t binY, std::optional<BinExclusion> const& exclusion, int num_threads) {
    if (binX <= 0 || binY <= 0) {
        throw InvalidParameterError("Bins are " + std::to_string(binX) + " x " + std::to_string(binY) +
                                    " pixels; both sides must be > 0");
    }
    detail::checkThreads(num_threads);
    detail::checkPlaneSize(image.mask, "The mask", image.image, "the image");
    detail::checkPlaneSize(image.variance, "The variance", image.image, "the image");
    detail::checkPlaneSize(out.mask, "The mask of the output", out.image, "its image");
    detail::checkPlaneSize(out.variance, "The variance of the output", out.image, "its image");
    auto const columns = image.width() / binX, rows = image.height() / binY;
    if (out.width() != columns || out.height() != rows) {
        throw LengthError("The output is " + sizeToString(out) + " but bins of " + std::to_string(binX) + " x " +
                          std::to_string(binY) + " in an image of " + sizeToString(image) + " make " +
                          std::to_string(columns) + " x " + std::to_string(rows));
    }
    if (columns <= 0 || rows <= 0) return;
    if (!image.image.exists() || !out.image.exists()) {
        throw InvalidParameterError("The image or the output is a view without memory; both must have pixels");
    }
    detail::checkCountable(image.image, "The image");
    detail::checkApart(out, image, "the input", detail::InPlace::REFUSED);
    detail::checkPlanesApart(out);
    // A sum of 2^32 - 1 integers of 32 bits fits 64 bits.
    if (constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
        std::is_integral_v<T> && binX > most / binY) {
        throw LengthError("Bins are " + std::to_string(binX) + " x " + std::to_string(binY) +
                          " pixels; those of an image of integers can have at most " + std::to_string(most) +
                          " pixels");
    }
    MaskedImageView<T> const written(out.image, image.mask.exists() ? out.mask : ImageView<MaskPixel>(),
                                     image.variance.exists() ? out.variance : ImageView<VariancePixel>());
    Binning<T> const binning(image, exclusion);
    detail::parallelForWith<std::vector<BinSums<T>>>(
            rows, num_threads, [&](std::ptrdiff_t row, std::vector<BinSums<T>>& sums) {
                sums.assign(static_cast<std::size_t>(columns), BinSums<T>{});
                for (auto y = row * binY; y < (row + 1) * binY; ++y) binning.addRow(y, binX, sums);
                for (std::ptrdiff_t column = 0; column < columns; ++column) {
                    auto const& bin = sums[static_cast<std::size_t>(column)];
                    binning.write(bin, written, column, row);
                    if constexpr (std::is_same_v<T, double>) {
                        if (std::isfinite(bin.value)) continue;
                        written.image(column, row) = binning.meanOf({column * binX, row * binY, binX, binY});
                    }
                }
            });
}

#define EVENSKY_INSTANTIATE(T)                                                                           \
    template EVENSKY_EXPORT void binImage<T>(MaskedImageView<T> const&, MaskedImageView<T const> const&, \
                                             std::ptrdiff_t, std::ptrdiff_t, std::optional<BinExclusion> const&, int);
EVENSKY_INSTANTIATE(float)
EVENSKY_INSTANTIATE(double)
EVENSKY_INSTANTIATE(std::int32_t)
EVENSKY_INSTANTIATE(std::uint16_t)
#undef EVENSKY_INSTANTIATE

}  // namespace evensky
