#pragma once

// Pairs of exposures, and sources of pixels that are computed from both on the fly: differences and sums of variances.

#include <cstddef>
#include <type_traits>

#include "compute_statistics.hpp"
#include "evensky/box.hpp"
#include "evensky/view.hpp"

namespace evensky::detail {

template <typename T>
struct Pair {
    MaskedImageView<T const> reference;
    MaskedImageView<T const> science;
    MaskPixel referenceBadMask;
    MaskPixel scienceBadMask;
    bool contiguous = false;  // The rows of all planes are contiguous and of float, so kernels can read them.

    Pair(MaskedImageView<T const> const& reference_, MaskedImageView<T const> const& science_,
         MaskPixel referenceBadMask_, MaskPixel scienceBadMask_)
            : reference(reference_),
              science(science_),
              referenceBadMask(referenceBadMask_),
              scienceBadMask(scienceBadMask_) {
        auto const rowsAre = [](auto const& plane) { return !plane.exists() || plane.strideX() == 1; };
        contiguous = std::is_same_v<T, float> && rowsAre(reference.image) && rowsAre(reference.mask) &&
                     rowsAre(reference.variance) && rowsAre(science.image) && rowsAre(science.mask) &&
                     rowsAre(science.variance);
    }

    // Return a row of a plane and its mask. The row to be read next is `rowsAhead` rows further on; 0 if it follows in
    // memory.
    static PixelRow row(ImageView<float const> const& plane, ImageView<MaskPixel const> const& mask, MaskPixel badMask,
                        std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t rowsAhead) {
        return {&plane(x, y), mask.exists() ? &mask(x, y) : nullptr, badMask, rowsAhead * plane.strideY(),
                rowsAhead * mask.strideY()};
    }

    [[nodiscard]] bool unmasked(std::ptrdiff_t x, std::ptrdiff_t y) const noexcept {
        MaskPixel bad = 0;
        if (reference.mask.exists()) bad |= reference.mask(x, y) & referenceBadMask;
        if (science.mask.exists()) bad |= science.mask(x, y) & scienceBadMask;
        return bad == 0;
    }
    [[nodiscard]] T difference(std::ptrdiff_t x, std::ptrdiff_t y) const noexcept {
        return reference.image(x, y) - science.image(x, y);
    }
};

// Policies of PairSource, for the difference of the images and the sum of the variances: the planes to use, and the
// operation on two pixels.
struct DifferencePixels {
    static constexpr auto pack = &Kernels::packDifference;
    template <typename T>
    static auto const& plane(MaskedImageView<T> const& image) noexcept {
        return image.image;
    }
    template <typename T>
    static T combine(T reference, T science) noexcept {
        return reference - science;
    }
};
struct VariancePixels {
    static constexpr auto pack = &Kernels::packSum;
    template <typename T>
    static auto const& plane(MaskedImageView<T> const& image) noexcept {
        return image.variance;
    }
    static VariancePixel combine(VariancePixel reference, VariancePixel science) noexcept {
        return reference + science;
    }
};

// Source of the good pixels in a box of a pair, which are computed on the fly.
template <typename T, typename PixelType, typename Pixels>
class PairSource {
public:
    using value_type = PixelType;

    PairSource(Pair<T> const& pair, Box const& box) : _pair(pair), _box(box), _tiling(box.width, box.height) {}

    [[nodiscard]] std::ptrdiff_t numPixels() const noexcept { return _box.width * _box.height; }
    [[nodiscard]] std::ptrdiff_t numBlocks() const noexcept { return _tiling.count(); }
    [[nodiscard]] std::ptrdiff_t width() const noexcept { return _box.width; }
    [[nodiscard]] static bool weighted() noexcept { return false; }
    [[nodiscard]] static bool withVariance() noexcept { return false; }
    [[nodiscard]] static bool isPlain() noexcept { return std::is_same_v<PixelType, float>; }

    std::ptrdiff_t append(std::ptrdiff_t block, BlockStorage<PixelType>& storage, std::ptrdiff_t n, MaskTally*) const {
        auto const part = _tiling.box(block);
        storage.reserve(n + part.width * part.height, false, false);
        for (auto y = part.y0; y < part.y0 + part.height; ++y) {
            n = appendRun(part.x0, y, part.width, storage.values.data(), n, nullptr);
        }
        return n;
    }

    // Return the memory that reading a part of the box will need.
    [[nodiscard]] Ahead ahead(Box const& part) const {
        Box const where{_box.x0 + part.x0, _box.y0 + part.y0, part.width, part.height};
        Ahead result;
        for (auto const* image : {&_pair.reference, &_pair.science}) {
            joinAhead(result, Pixels::plane(*image), where);
            joinAhead(result, image->mask, where);
        }
        return result;
    }
    [[nodiscard]] Box blockBox(std::ptrdiff_t block) const noexcept { return _tiling.box(block); }

    std::ptrdiff_t appendRun(std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width, PixelType* out, std::ptrdiff_t n,
                             MaskTally*) const {
        auto const& reference = Pixels::plane(_pair.reference);
        auto const& science = Pixels::plane(_pair.science);
        x += _box.x0;
        y += _box.y0;
        if constexpr (std::is_same_v<PixelType, float>) {
            if (_pair.contiguous) {
                auto const rows = rowsAhead(_box.width);
                return n + (kernels().*Pixels::pack)(
                                   Pair<T>::row(reference, _pair.reference.mask, _pair.referenceBadMask, x, y, rows),
                                   Pair<T>::row(science, _pair.science.mask, _pair.scienceBadMask, x, y, rows), width,
                                   out + n);
            }
        }
        for (auto const end = x + width; x < end; ++x) {
            PixelType const value = Pixels::combine(reference(x, y), science(x, y));
            out[n] = value;  // Every pixel is written but only good ones are kept, which avoids a branch.
            n += static_cast<std::ptrdiff_t>(_pair.unmasked(x, y) && isFinitePixel(value));
        }
        return n;
    }

private:
    Pair<T> _pair;
    Box _box;
    Tiling _tiling;
};

}  // namespace evensky::detail
